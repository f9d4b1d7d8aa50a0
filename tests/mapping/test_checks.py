"""Mistakes of a team are found at start-up, and slow look-ups by the doctor: both say the cure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from marshmallow import fields as marshmallow_fields
from marshmallow import validate
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.mapping import MappingError
from flask_scim_provisioning.mapping.access import name_claims
from flask_scim_provisioning.mapping.checks import check_tenants
from flask_scim_provisioning.mapping.doctor import look_ups
from flask_scim_provisioning.scim.errors import InvalidValue
from tests.portal import Portal


class Tables:
    """A small portal without any schema yet."""

    def __init__(self) -> None:
        class Base(DeclarativeBase):
            """The portal's own base."""

        self.db = db = SQLAlchemy(model_class=Base)
        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
        )
        nests = sa.Table(
            "nests",
            db.metadata,
            sa.Column("outer_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("inner_id", sa.ForeignKey("team.id"), primary_key=True),
        )

        class User(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "user"

            id: Mapped[int] = mapped_column(primary_key=True)
            username: Mapped[str] = mapped_column(sa.String(100), unique=True)
            age: Mapped[int | None] = mapped_column()
            joined: Mapped[Any] = mapped_column(sa.DateTime, nullable=True)
            boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user.id"))
            boss = relationship("User", remote_side="User.id")
            team_rows = relationship("Row")

            @property
            def shown(self) -> str:
                return self.username.title()

        class Strict(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "strict"

            id: Mapped[int] = mapped_column(primary_key=True)
            username: Mapped[str] = mapped_column(sa.String(100))
            password_hash: Mapped[str] = mapped_column(sa.String(100))

        class Pair(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "pair"

            first: Mapped[int] = mapped_column(primary_key=True)
            second: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100))

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            people = relationship(User, secondary=pairs)
            rows = relationship("Row", foreign_keys="Row.team_id")
            root_id: Mapped[int] = mapped_column(sa.ForeignKey("team.id"), server_default="1")
            below = relationship("Team", overlaps="root")
            root = relationship("Team", remote_side="Team.id", overlaps="below")
            inner = relationship(
                "Team",
                secondary=nests,
                primaryjoin=lambda: Team.id == nests.c.outer_id,
                secondaryjoin=lambda: Team.id == nests.c.inner_id,
            )

        class Row(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "row"

            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(sa.ForeignKey("team.id"))
            user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
            reason: Mapped[str] = mapped_column(sa.String(100))
            user = relationship(User, overlaps="team_rows")
            up_id: Mapped[int | None] = mapped_column(sa.ForeignKey("team.id"))
            up = relationship("Team", foreign_keys=up_id)

        self.User, self.Strict, self.Team = User, Strict, Team
        self.Pair, self.Row = Pair, Row

    def start(
        self, user: dict[str, Any], group: dict[str, Any] | None = None, model: Any = None
    ) -> Any:
        """Declare the two schemas and start the portal, as a team does."""
        users = type(
            "PortalUser",
            (UserSchema,),
            {"Meta": type("Meta", (), {"model": model or self.User}), **user},
        )
        groups = type(
            "PortalGroup",
            (GroupSchema,),
            {
                "Meta": type("Meta", (), {"model": self.Team}),
                "display_name": fields.Attribute(self.Team.name),
                **(group or {}),
            },
        )
        app = Flask("portal")
        app.config.update(SECRET_KEY="for tests", SQLALCHEMY_DATABASE_URI="sqlite://")
        self.db.init_app(app)
        provisioning = Provisioning(self.db, user_schema=users, group_schema=groups)
        provisioning.init_app(app, admin_required=lambda: False)
        return app.extensions["scim_provisioning"]


def named(tables: Tables, **more: Any) -> dict[str, Any]:
    """Return the fields of a schema that works, and more."""
    return {"user_name": fields.Attribute(tables.User.username), **more}


def meta(model: Any, **options: Any) -> type:
    """Return the ``class Meta`` of a schema."""
    return type("Meta", (), {"model": model, **options})


def guarded(tables: Tables, **options: Any) -> Any:
    """Start a portal with these options of its users."""
    return tables.start(named(tables, Meta=meta(tables.User, **options)))


MISTAKES: dict[str, tuple[Callable[[Tables], Any], tuple[str, ...]]] = {
    "administrators in words": (
        lambda t: guarded(t, administrators="username == 'root'"),
        ("PortalUser: Meta.administrators has to be a condition over User", 'it is "username'),
    ),
    "administrators compared in Python": (
        lambda t: guarded(t, administrators=t.User.username is True),
        ("Meta.administrators", "it is False"),
    ),
    "administrators who are a value": (
        lambda t: guarded(t, administrators=t.User.username),
        ("Meta.administrators", "is no truth value"),
    ),
    "administrators of another model": (
        lambda t: guarded(t, administrators=t.Team.name == "Admins"),
        ("Meta.administrators", "says nothing of User"),
    ),
    "administrators beside any row": (
        lambda t: guarded(t, administrators=(t.User.age > 1) & (t.Team.name == "Admins")),
        ("Meta.administrators", "without saying which of their rows", "User.<relationship>"),
    ),
    "administrators among groups": (
        lambda t: t.start(named(t), {"Meta": meta(t.Team, administrators=t.Team.name == "Admins")}),
        ("PortalGroup: Meta.administrators", "set it in the schema of users"),
    ),
    "protected as a list": (
        lambda t: guarded(t, protected=["root"]),
        ("PortalUser: Meta.protected is ['root']", "a function"),
    ),
    "tenants that share and don't": (
        lambda t: guarded(t, tenant=t.User.username, shared_by_tenants=True),
        ("PortalUser: Meta.tenant", "Meta.shared_by_tenants", "take one of them out"),
    ),
    "no userName": (
        lambda t: t.start({"title": fields.Attribute(t.User.username)}),
        ("PortalUser maps no userName", "add `user_name = fields.Attribute(User.<column>)`"),
    ),
    "a misspelt attribute": (
        lambda t: t.start(named(t, usr_type=fields.Attribute(t.User.username))),
        ("PortalUser.usr_type", "did you mean 'userType'?"),
    ),
    "an unknown attribute": (
        lambda t: t.start(named(t, shoe_size=fields.Attribute(t.User.age))),
        ("PortalUser.shoe_size", "Meta.extensions"),
    ),
    "an unknown sub-attribute": (
        lambda t: t.start(named(t, name=fields.Complex(first_name=t.User.username))),
        ("name has no sub-attribute 'firstName'", "givenName"),
    ),
    "a field of Marshmallow": (
        lambda t: t.start(named(t, title=marshmallow_fields.String())),
        ("PortalUser.title is a String", "flask_scim_provisioning.fields"),
    ),
    "a column of another type": (
        lambda t: t.start(named(t, active=fields.Attribute(t.User.username))),
        ("active is of SCIM type 'boolean'", "User.username", "fields.Computed"),
    ),
    "a date for a text": (
        lambda t: t.start(named(t, title=fields.Attribute(t.User.joined))),
        ("title is of SCIM type 'string'", "User.joined", "read= and write="),
    ),
    "a complex attribute in a column": (
        lambda t: t.start(named(t, name=fields.Attribute(t.User.username))),
        ("PortalUser: name is complex", "fields.Complex"),
    ),
    "a list in a column": (
        lambda t: t.start(named(t, emails=fields.Attribute(t.User.username))),
        ("PortalUser: emails is multi-valued", "fields.Email"),
    ),
    "Complex for a list": (
        lambda t: t.start(named(t, emails=fields.Complex(value=t.User.username))),
        ("PortalUser: emails isn't a single complex value", "fields.OneValue"),
    ),
    "OneValue for a single value": (
        lambda t: t.start(named(t, name=fields.OneValue(given_name=t.User.username))),
        ("PortalUser: name has one value", "fields.Complex"),
    ),
    "Values for a single value": (
        lambda t: t.start(named(t, name=fields.Values(t.User.team_rows, given_name=t.Row.reason))),
        ("PortalUser: name has one value, not a list",),
    ),
    "a relationship in the place of a column": (
        lambda t: t.start(named(t, title=fields.Attribute(t.User.boss))),
        ("User.boss is a relationship", "fields.Lookup(User.boss"),
    ),
    "a list in the place of one": (
        lambda t: t.start(named(t, manager=fields.Reference(t.User.team_rows))),
        ("User.team_rows is no manytoone relationship",),
    ),
    "members of another kind": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.rows)}),
        ("Team.rows leads to Row", "the association objects' relationship to User", "user="),
    ),
    "members that need a value": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.rows, user=t.Row.user)}),
        ("row.reason needs a value for each new member", "MembershipStore"),
    ),
    "groups over a table that needs a value": (
        lambda t: t.start(
            named(t), {"members": fields.Members(t.Team.people, groups=t.Team.rows, group=t.Row.up)}
        ),
        ("row.user_id needs a value for each new member", "MembershipStore"),
    ),
    "groups that are people": (
        lambda t: t.start(
            named(t), {"members": fields.Members(t.Team.people, groups=t.Team.people)}
        ),
        ("PortalGroup: Team.people leads to User", "the groups of fields.Members are Team"),
    ),
    "members that are groups": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.inner)}),
        ("PortalGroup: Team.inner leads to Team", "name a relationship to User,"),
    ),
    "groups of another model": (
        lambda t: t.start(
            named(t), {"members": fields.Members(t.Team.people, groups=t.User.team_rows)}
        ),
        ("User.team_rows is no relationship of Team", "name one of Team's own"),
    ),
    "groups in rows without their end": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.people, groups=t.Team.rows)}),
        ("Team.rows leads to Row", "name the association objects' relationship to Team", "group="),
    ),
    "groups by a key that can't be empty": (
        lambda t: t.start(
            named(t), {"members": fields.Members(t.Team.people, groups=t.Team.below)}
        ),
        ("Team.below: team.root_id can't be empty", "let the column be nullable"),
    ),
    "groups by the way up": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.people, groups=t.Team.root)}),
        ("Team.root is no manytomany relationship",),
    ),
    "an end without a beginning": (
        lambda t: t.start(named(t), {"members": fields.Members(t.Team.people, group=t.Row.up)}),
        ("PortalGroup: group=Row.up needs groups= beside it",),
    ),
    "Members elsewhere": (
        lambda t: t.start(named(t), {"external_id": fields.Members(t.Team.people)}),
        ("PortalGroup", "fields.Members is for members"),
    ),
    "a password in a column": (
        lambda t: t.start(named(t, password=fields.Attribute(t.User.username))),
        ("PortalUser: password would be kept as it is sent, in User.username", "fields.Password"),
    ),
    "Password elsewhere": (
        lambda t: t.start(named(t, title=fields.Password(setattr))),
        ("PortalUser: fields.Password is for password, not title",),
    ),
    "a choice that there isn't": (
        lambda t: t.start(named(t), {"Meta": meta(t.Team, unknown_members="ignore")}),
        ("PortalGroup: Meta.unknown_members is 'ignore'", '"skip" or "refuse"'),
    ),
    "a group's choice for users": (
        lambda t: t.start(named(t, Meta=meta(t.User, unknown_members="skip"))),
        ("PortalUser: Meta.unknown_members", "in the schema of groups"),
    ),
    "a column that can't be empty": (
        lambda t: t.start({"user_name": fields.Attribute(t.Strict.username)}, model=t.Strict),
        ("PortalUser: strict.password_hash can't be empty", "give the column a default"),
    ),
    "a key that nobody makes": (
        lambda t: t.start({"user_name": fields.Attribute(t.Pair.name)}, model=t.Pair),
        ("PortalUser: pair.first can't be empty", "Meta.defaults = {Pair.first:"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_at_start_up(mistake: str) -> None:
    """The message names the line to change, and what to write there."""
    declare, said = MISTAKES[mistake]
    with pytest.raises(MappingError) as raised:
        declare(Tables())
    for words in said:
        assert words in str(raised.value)


def test_a_property_is_no_column() -> None:
    """``User.shown`` has no SQL, and so no filter; a function pair with an expression has."""
    tables = Tables()
    with pytest.raises((MappingError, AttributeError), match=r"not a column|no attribute"):
        tables.start(named(tables, title=fields.Attribute(tables.User.shown)))


def test_without_a_mistake_it_starts() -> None:
    tables = Tables()
    state = tables.start(named(tables), {"members": fields.Members(tables.Team.people)})
    assert state.mappings["Users"].resource_type.name == "User"


@pytest.mark.parametrize("choice", [None, "skip", "refuse"])
def test_a_team_chooses_what_becomes_of_unknown_members(choice: str | None) -> None:
    tables = Tables()
    options = {} if choice is None else {"unknown_members": choice}
    people = fields.Members(tables.Team.people)
    group = {"Meta": meta(tables.Team, **options), "members": people}
    state = tables.start(named(tables), group)
    assert state.mappings["Groups"].members.unknown_members == choice


def test_validators_of_marshmallow_see_every_value() -> None:
    """The team's ``validate=`` refuses with its own words, and the attribute's name before them."""
    tables = Tables()
    ends = validate.Regexp(r".+@example\.com$", error="must end in @example.com.")
    state = tables.start({"user_name": fields.Attribute(tables.User.username, validate=ends)})
    schema = state.mappings["Users"].schema
    assert schema.validated({"userName": "a@example.com"}, partial=False)
    with pytest.raises(InvalidValue, match=r"userName: must end in @example\.com\."):
        schema.validated({"userName": "a@x.org"}, partial=True)


def test_describe_tells_where_everything_lives(portal: Portal) -> None:
    users = portal.app.extensions["scim_provisioning"].mappings["Users"]
    rows = {row["attribute"]: row for row in users.describe()}
    assert rows["userName"]["place"] == "User.username"
    assert "User.first_name" in rows["name"]["place"]
    assert rows["title"]["place"] == "the link row"
    assert rows["title"]["notes"] == "kept as sent, so that it is read back"
    assert rows["id"]["notes"] == "read-only"
    assert {row["filterable"] for row in rows.values()} == {True}
    for row in rows.values():
        if row["filterable"] and row["type"] == "string":
            path = row["attribute"]
            assert portal.client.get("/Users", filter=f'{path} eq "x"').status_code == 200, path


def grow(portal: Portal) -> None:
    """Make the tables so large that a database would rather use an index."""
    portal.add_users([f"user{number}" for number in range(3_000)])
    links = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.begin() as connection:
        keys = connection.scalars(sa.select(portal.models.User.id)).all()
        links.table.make_links(connection, keys)
        if connection.dialect.name != "mysql":
            connection.exec_driver_sql("ANALYZE")


def findings(portal: Portal, kind: str = "Users") -> dict[str, Any]:
    mapping = portal.app.extensions["scim_provisioning"].mappings[kind]
    with portal.engine.connect() as connection:
        return {each.message.split(":")[0]: each for each in look_ups(mapping, connection)}


def test_the_doctor_is_content_with_indexes(portal: Portal) -> None:
    grow(portal)
    for kind in ("Users", "Groups"):
        found = findings(portal, kind)
        assert found, kind
        assert {each.level for each in found.values()} == {"ok"}, found


def test_the_doctors_statement_cures(portal: Portal) -> None:
    """Without an index it says so, and what it prints is SQL that ends the finding."""
    grow(portal)
    mysql = portal.engine.dialect.name in ("mysql", "mariadb")
    index = "ix_user_email" if mysql else "ix_user_email_lower"
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX {index}" + (" ON user" if mysql else ""))
    before = findings(portal)["User by emails.value"]
    assert before.level == "problem"
    assert "reads the whole table user" in before.message
    assert before.statement is not None
    assert re.match(r"CREATE INDEX \w+ ON .+;$", before.statement)
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(before.statement.rstrip(";"))
    if not mysql:
        with portal.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    assert findings(portal)["User by emails.value"].level == "ok"
    email = f"nobody-{uuid.uuid4()}@example.com"
    assert portal.client.get("/Users", filter=f'emails.value eq "{email}"').status_code == 200


@pytest.mark.parametrize("tenants", [False, True])
def test_the_doctor_asks_for_unique_names(
    make_portal: Callable[..., Portal], tenants: bool
) -> None:
    """A name is one person's in whatever case; the statement that is printed sees to that."""
    portal = make_portal(tenants=tenants, tenant="main")
    mysql = portal.engine.dialect.name in ("mysql", "mariadb")
    with portal.engine.begin() as connection:
        if mysql:
            connection.exec_driver_sql(
                "ALTER TABLE user DROP INDEX username, ADD INDEX ix_plain (username)"
            )
        else:
            connection.exec_driver_sql("DROP INDEX ix_user_username_lower")
            connection.exec_driver_sql(
                'CREATE INDEX ix_plain ON "user" (lower(username), username)'
            )
    columns = {"org_id": "main"} if tenants else {}
    portal.add_users([f"user{number}" for number in range(300)], **columns)
    before = findings(portal)["User by userName"]
    assert before.level == "warning", before
    assert "isn't unique" in before.message
    assert before.statement is not None
    assert re.match(r"CREATE UNIQUE INDEX \w+ ON .+;$", before.statement)
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(before.statement.rstrip(";"))
    assert findings(portal)["User by userName"].level == "ok"
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_plain" + (" ON user" if mysql else ""))
    assert findings(portal)["User by userName"].level == "ok"


@pytest.mark.parametrize(
    ("made", "kept_apart"),
    [
        ('CREATE UNIQUE INDEX x ON "user" (lower(username))', True),
        ('CREATE UNIQUE INDEX x ON "user" (lower("username"))', True),
        ('CREATE UNIQUE INDEX x ON "user" (lower(username)) WHERE is_active', False),
        ('CREATE UNIQUE INDEX x ON "user" (lower(username), email)', False),
        ('CREATE UNIQUE INDEX x ON "user" (email, lower(username))', False),
        ('CREATE UNIQUE INDEX x ON "user" (lower(email))', False),
        ('CREATE UNIQUE INDEX x ON "user" (username)', False),
        ('CREATE INDEX x ON "user" (lower(username))', False),
    ],
)
def test_only_an_index_of_the_name_alone_keeps_names_apart(
    portal: Portal, made: str, kept_apart: bool
) -> None:
    users = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.begin() as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            assert name_claims.is_kept_apart(users, connection), "by the column's collation"
            connection.exec_driver_sql(
                "ALTER TABLE user MODIFY username VARCHAR(150) COLLATE utf8mb4_bin NOT NULL"
            )
            assert not name_claims.is_kept_apart(users, connection)
            return
        assert name_claims.is_kept_apart(users, connection)
        connection.exec_driver_sql("DROP INDEX ix_user_username_lower")
        assert not name_claims.is_kept_apart(users, connection)
        connection.exec_driver_sql(made)
        assert name_claims.is_kept_apart(users, connection) is kept_apart


def test_a_portal_with_tenants_says_whose_row_each_is() -> None:
    """Without it, the token of one tenant would open all of them."""
    tables = Tables()
    state = tables.start(named(tables))
    for name, mapping in state.mappings.items():
        with pytest.raises(MappingError) as error:
            check_tenants(mapping)
        model = {"Users": "User", "Groups": "Team"}[name]
        for words in (mapping.schema_name, f"`tenant = {model}.<column>`", "shared_by_tenants"):
            assert words in str(error.value)


def test_init_app_refuses_tenants_without_boundaries() -> None:
    def start(**options: Any) -> None:
        made = Tables()
        users = type("PortalUser", (UserSchema,), named(made, Meta=meta(made.User, **options)))
        app = Flask("portal")
        app.config.update(SECRET_KEY="for tests", SQLALCHEMY_DATABASE_URI="sqlite://")
        made.db.init_app(app)
        Provisioning(made.db, user_schema=users).init_app(app, tenant=lambda: "acme")

    with pytest.raises(MappingError, match="PortalUser: the portal has tenants"):
        start()
    start(shared_by_tenants=True)

"""Portals that keep the members of teams in different ways, each declared as a team would do it."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, backref, mapped_column, relationship, validates

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from tests.portal import Host, Portal

from .hosts import open_portal

__all__ = ["SHAPES", "Teams", "opened", "with_strategy"]

Declare = Callable[[SimpleNamespace], Any]
"""Adds what a shape needs to the models, and returns the ``fields.Members`` of it."""

SHAPES: dict[str, Declare] = {}


def shape(name: str) -> Callable[[Declare], Declare]:
    """Register a shape under a name."""

    def register(declare: Declare) -> Declare:
        SHAPES[name] = declare
        return declare

    return register


@functools.cache
def host_of(name: str) -> Host:
    """Return a portal of people and teams of this shape."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    parts = SimpleNamespace(db=db, user={}, team={}, uuid_keys="uuid" in name, options={})
    declare = SHAPES.get(name) or SHOWN[name]
    made: dict[str, Any] = {}

    def key() -> Any:
        if parts.uuid_keys:
            return mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
        return mapped_column(sa.Integer, primary_key=True)

    def models() -> None:
        made["User"] = type(
            "User",
            (db.Model,),
            {
                "__tablename__": "user",
                "id": key(),
                "username": mapped_column(sa.String(150), unique=True),
                "is_active": mapped_column(sa.Boolean, default=True),
                **parts.user,
            },
        )
        made["Team"] = type(
            "Team",
            (db.Model,),
            {
                "__tablename__": "team",
                "id": key(),
                "name": mapped_column(sa.String(150), unique=True),
                **parts.team,
            },
        )
        parts.User, parts.Team = made["User"], made["Team"]

    parts.models = models
    members = declare(parts)
    user, team = parts.User, parts.Team

    class PersonSchema(UserSchema):
        class Meta:
            model = user
            on_delete = parts.options.get("on_delete", "deactivate")

        user_name = fields.Attribute(user.username)
        active = fields.Attribute(user.is_active)

    schema = type(
        "TeamSchema",
        (GroupSchema,),
        {
            "Meta": type("Meta", (), {"model": team}),
            "display_name": fields.Attribute(team.name),
            "members": members,
        },
    )
    provisioning = Provisioning(db, user_schema=PersonSchema, group_schema=schema)
    found = Host(db, user, team, getattr(parts, "rows", team.__table__), provisioning)
    object.__setattr__(found, "parts", parts)
    return found


class Teams:
    """A running portal, and what tests ask of the members of its teams."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.client = portal.client
        self.parts: Any = portal.models.parts  # type: ignore[attr-defined]
        self.ids: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def people(self, *names: str) -> list[str]:
        """Create users; return their SCIM ids."""
        for name in names:
            answer = self.client.post("/Users", {"userName": name})
            assert answer.status_code == 201, answer.text
            self.ids[name] = answer.json["id"]
        return [self.ids[name] for name in names]

    def team(self, name: str, *members: str) -> str:
        """Create a team with these members, by the names of people and teams; return its id."""
        body = {"displayName": name, "members": self.values(*members)}
        answer = self.client.post("/Groups", body)
        assert answer.status_code == 201, answer.text
        self.ids[name] = answer.json["id"]
        return str(answer.json["id"])

    def values(self, *names: str) -> list[dict[str, str]]:
        return [{"value": self.ids[name]} for name in names]

    def names(self, team: str) -> list[str]:
        """Who belongs to a team, as SCIM tells."""
        known = {each: name for name, each in self.ids.items()}
        found = self.client.get(f"/Groups/{self.ids[team]}").json.get("members", [])
        return sorted(known[member["value"]] for member in found)

    def change(self, team: str, op: str, *names: str) -> Any:
        """Send one operation on the members of a team."""
        operation: dict[str, Any] = {"op": op, "path": "members"}
        if names:
            operation["value"] = self.values(*names)
        return self.client.patch(f"/Groups/{self.ids[team]}", [operation])

    def version(self, name: str) -> int:
        answer = self.client.get(f"/Groups/{self.ids[name]}")
        return int(answer.headers["ETag"].strip('W/"'))

    def groups_of(self, name: str) -> list[str]:
        answer = self.client.get(f"/Users/{self.ids[name]}", attributes="groups").json
        return sorted(group["display"] for group in answer.get("groups", []))

    def rows(self, *columns: Any) -> list[Any]:
        """The portal's own rows of memberships."""
        return list(self.portal.session.execute(sa.select(*(columns or (self.parts.rows,)))).all())

    def key(self, name: str) -> Any:
        user = self.portal.user(name)
        return user.id if user is not None else self.portal.team(name).id


@contextmanager
def opened(database: str, name: str) -> Iterator[Teams]:
    """Run the portal of a shape on a database."""
    with ExitStack() as stack:
        portal = open_portal(database, host_of(name))
        stack.callback(portal.close)
        yield Teams(portal)


def _pairs(parts: SimpleNamespace, *more: Any, team: str = "team_id", user: str = "user_id") -> Any:
    return sa.Table(
        "membership",
        parts.db.metadata,
        sa.Column(team, sa.ForeignKey("team.id"), primary_key=True),
        sa.Column(user, sa.ForeignKey("user.id"), primary_key=True, index=True),
        *more,
    )


@shape("plain")
def _plain(parts: SimpleNamespace) -> Any:
    parts.rows = _pairs(parts)
    parts.team = {"members": relationship("User", secondary=parts.rows)}
    parts.models()
    return fields.Members(parts.Team.members)


@shape("further columns")
def _further_columns(parts: SimpleNamespace) -> Any:
    counter = itertools.count(1)
    parts.next = {}
    new = parts.next.get
    parts.rows = sa.Table(
        "membership",
        parts.db.metadata,
        sa.Column("id", sa.Uuid, primary_key=True, default=uuid.uuid4),
        sa.Column("team", sa.ForeignKey("team.id"), key="team_id", nullable=False),
        sa.Column("usr", sa.ForeignKey("user.id"), key="user_id", nullable=False),
        sa.Column(
            "badge", sa.String(36), nullable=False, default=lambda: new("badge", str(next(counter)))
        ),
        sa.Column("level", sa.Integer, nullable=False, default=lambda: new("level", 1)),
        sa.Column("source", sa.String(20), nullable=False, server_default="directory"),
        sa.Column("added", sa.DateTime(timezone=True), default=lambda: datetime.now(UTC)),
        sa.UniqueConstraint("team_id", "user_id"),
        sa.UniqueConstraint("badge", name="one_badge_each"),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name="level_of_membership"),
    )
    parts.team = {"members": relationship("User", secondary=parts.rows)}
    parts.models()
    return fields.Members(parts.Team.members)


@shape("no foreign keys")
def _no_foreign_keys(parts: SimpleNamespace) -> Any:
    parts.rows = rows = sa.Table(
        "membership",
        parts.db.metadata,
        sa.Column("team", sa.Integer, primary_key=True),
        sa.Column("person", sa.Integer, primary_key=True),
    )
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            primaryjoin="Team.id == foreign(membership.c.team)",
            secondaryjoin="User.id == foreign(membership.c.person)",
        )
    }
    parts.models()
    return fields.Members(parts.Team.members)


@shape("uuid keys")
def _uuid_keys(parts: SimpleNamespace) -> Any:
    return _plain(parts)


@shape("backref")
def _backref(parts: SimpleNamespace) -> Any:
    parts.rows = _pairs(parts)
    parts.user = {"teams": relationship("Team", secondary=parts.rows, backref="members")}
    parts.models()
    return fields.Members(parts.User.teams)


@shape("condition")
def _condition(parts: SimpleNamespace) -> Any:
    parts.rows = rows = sa.Table(
        "membership",
        parts.db.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("team_id", sa.ForeignKey("team.id"), nullable=False),
        sa.Column("user_id", sa.ForeignKey("user.id"), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("left_at", sa.DateTime),
    )
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            secondaryjoin=lambda: sa.and_(
                rows.c.user_id == parts.User.id, rows.c.role == "member", rows.c.left_at.is_(None)
            ),
        )
    }
    parts.models()
    return fields.Members(parts.Team.members)


@shape("condition of a unique pair")
def _condition_of_a_unique_pair(parts: SimpleNamespace) -> Any:
    parts.rows = rows = _pairs(
        parts,
        sa.Column("role", sa.String(20), nullable=False, default="member"),
        sa.Column("left_at", sa.DateTime),
        sa.Column("note", sa.String(20)),
    )
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            primaryjoin=lambda: sa.and_(
                rows.c.team_id == parts.Team.id,
                rows.c.left_at.is_(None),
                rows.c.role.in_(["member", "guest"]),
            ),
        )
    }
    parts.models()
    return fields.Members(parts.Team.members)


@shape("condition on people")
def _condition_on_people(parts: SimpleNamespace) -> Any:
    parts.rows = rows = _pairs(parts)
    parts.user = {"hidden": mapped_column(sa.Boolean, default=False)}
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            secondaryjoin=lambda: sa.and_(
                rows.c.user_id == parts.User.id, parts.User.hidden.is_(False)
            ),
        )
    }
    parts.models()
    return fields.Members(parts.Team.members)


def _object(parts: SimpleNamespace, more: dict[str, Any] | None = None, **team: Any) -> Any:
    if "viewonly" not in team:
        team["cascade"] = "all, delete-orphan"
    parts.team = {"memberships": relationship("Membership", **team)}
    parts.models()
    parts.Membership = type(
        "Membership",
        (parts.db.Model,),
        {
            "__tablename__": "membership",
            "__table_args__": (sa.UniqueConstraint("team_key", "user_key"),),
            "id": mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4),
            "team_id": mapped_column("team_key", sa.ForeignKey("team.id"), nullable=False),
            "user_id": mapped_column("user_key", sa.ForeignKey("user.id"), nullable=False),
            "since": mapped_column(sa.DateTime, default=datetime.now, nullable=False),
            "user": relationship("User"),
            **(more or {}),
        },
    )
    parts.rows = parts.Membership.__table__
    return fields.Members(parts.Team.memberships, user=parts.Membership.user)


@shape("objects")
def _objects(parts: SimpleNamespace) -> Any:
    return _object(parts)


@shape("objects that are heard")
def _objects_that_are_heard(parts: SimpleNamespace) -> Any:
    found = _object(parts)
    parts.heard = []

    def inserted(_mapper: Any, _connection: Any, target: Any) -> None:
        parts.heard.append(("came", target.user.username))

    def deleted(_mapper: Any, _connection: Any, target: Any) -> None:
        parts.heard.append(("went", target.user.username))

    sa.event.listen(parts.Membership, "before_insert", inserted)
    sa.event.listen(parts.Membership, "before_delete", deleted)
    return found


@shape("objects with a constructor")
def _objects_with_a_constructor(parts: SimpleNamespace) -> Any:
    def __init__(self: Any, user: Any, team: Any) -> None:  # noqa: N807
        self.user, self.team = user, team
        self.badge = f"{team.name}/{user.username}"

    return _object(
        parts,
        {
            "badge": mapped_column(sa.String(200), nullable=False, default="none"),
            "team": relationship("Team", back_populates="memberships"),
            "__init__": __init__,
        },
        back_populates="team",
    )


@shape("objects that are validated")
def _objects_that_are_validated(parts: SimpleNamespace) -> Any:
    def not_eve(_self: Any, _key: str, user: Any) -> Any:
        if user is not None and user.username == "eve":
            raise ValueError("Eve is nobody's colleague.")
        return user

    return _object(parts, {"check": validates("user")(not_eve)})


@shape("objects with rows of their own")
def _objects_with_rows(parts: SimpleNamespace) -> Any:
    found = _object(parts, {"notes": relationship("Remark", cascade="all, delete-orphan")})
    parts.Remark = type(
        "Remark",
        (parts.db.Model,),
        {
            "__tablename__": "remark",
            "id": mapped_column(sa.Integer, primary_key=True),
            "membership_id": mapped_column(sa.ForeignKey("membership.id"), nullable=False),
        },
    )
    return found


@shape("objects of a line")
def _objects_of_a_line(parts: SimpleNamespace) -> Any:
    revision = mapped_column(sa.Integer, nullable=False)
    arguments = {
        "polymorphic_on": "kind",
        "polymorphic_identity": "plain",
        "version_id_col": revision,
    }
    kind = mapped_column(sa.String(20), nullable=False)
    return _object(parts, {"kind": kind, "revision": revision, "__mapper_args__": arguments})


@shape("objects from their side")
def _objects_from_their_side(parts: SimpleNamespace) -> Any:
    _object(parts, {"team": relationship("Team", overlaps="memberships")}, overlaps="team")
    return fields.Members(parts.Membership.team, user=parts.Membership.user)


def _one_team(parts: SimpleNamespace, user: dict[str, Any] | None = None, **team: Any) -> None:
    parts.user = {
        "team_id": mapped_column(sa.ForeignKey("team.id"), nullable=True, index=True),
        **(user or {}),
    }
    parts.team = team
    parts.models()
    parts.rows = parts.User.__table__


@shape("one team")
def _one_team_from_the_team(parts: SimpleNamespace) -> Any:
    _one_team(parts, members=relationship("User"))
    return fields.Members(parts.Team.members)


@shape("one team from the user")
def _one_team_from_the_user(parts: SimpleNamespace) -> Any:
    _one_team(parts, {"team": relationship("Team", backref=backref("members"))})
    return fields.Members(parts.User.team)


@shape("one team that is heard")
def _one_team_that_is_heard(parts: SimpleNamespace) -> Any:
    _one_team(
        parts,
        {"team": relationship("Team", back_populates="members")},
        members=relationship("User", back_populates="team"),
    )
    parts.heard = []

    def updated(_mapper: Any, _connection: Any, target: Any) -> None:
        parts.heard.append((target.username, target.team and target.team.name))

    sa.event.listen(parts.User, "before_update", updated)
    return fields.Members(parts.Team.members)


@shape("list of the team")
def _list_of_the_team(parts: SimpleNamespace) -> Any:
    parts.team = {"member_ids": mapped_column(sa.JSON, default=list)}
    parts.models()
    return fields.Members(parts.Team.member_ids)


@shape("list of the team, uuid")
def _list_of_uuids(parts: SimpleNamespace) -> Any:
    return _list_of_the_team(parts)


@shape("list of the user")
def _list_of_the_user(parts: SimpleNamespace) -> Any:
    parts.user = {"team_ids": mapped_column(sa.JSON, default=list)}
    parts.models()
    return fields.Members(parts.User.team_ids)


@shape("array of the team")
def _array_of_the_team(parts: SimpleNamespace) -> Any:
    column = sa.JSON().with_variant(postgresql.ARRAY(sa.Integer), "postgresql")
    parts.team = {"member_ids": mapped_column(column, default=list)}
    parts.models()
    return fields.Members(parts.Team.member_ids)


def _nested(parts: SimpleNamespace, **team: Any) -> None:
    parts.rows = _pairs(parts)
    parts.team = {"members": relationship("User", secondary=parts.rows), **team}
    parts.models()


@shape("nested by a list")
def _nested_by_a_list(parts: SimpleNamespace) -> Any:
    _nested(parts, inner_ids=mapped_column(sa.JSON, default=list))
    return fields.Members(parts.Team.members, groups=parts.Team.inner_ids)


@shape("nested by a condition")
def _nested_by_a_condition(parts: SimpleNamespace) -> Any:
    inside = sa.Table(
        "inside",
        parts.db.metadata,
        sa.Column("id", sa.Uuid, primary_key=True, default=uuid.uuid4),
        sa.Column("outer_id", sa.ForeignKey("team.id"), nullable=False),
        sa.Column("inner_id", sa.ForeignKey("team.id"), nullable=False),
        sa.Column("is_current", sa.Boolean, nullable=False),
    )
    _nested(
        parts,
        inner=relationship(
            "Team",
            secondary=inside,
            primaryjoin=lambda: sa.and_(inside.c.outer_id == parts.Team.id, inside.c.is_current),
            secondaryjoin=lambda: inside.c.inner_id == parts.Team.id,
        ),
    )
    parts.inside = inside
    return fields.Members(parts.Team.members, groups=parts.Team.inner)


@shape("nested by a parent that is heard")
def _nested_by_a_parent(parts: SimpleNamespace) -> Any:
    _nested(
        parts,
        parent_id=mapped_column(sa.ForeignKey("team.id"), nullable=True),
        parent=relationship("Team", remote_side="Team.id", back_populates="inner"),
        inner=relationship("Team", back_populates="parent"),
    )
    sa.event.listen(parts.Team, "after_update", lambda *_: None)
    return fields.Members(parts.Team.members, groups=parts.Team.inner)


def _shown(parts: SimpleNamespace) -> None:
    parts.rows = rows = _pairs(parts, sa.Column("level", sa.Integer, nullable=False))
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            secondaryjoin=lambda: sa.and_(rows.c.user_id == parts.User.id, rows.c.level > 1),
            viewonly=True,
        ),
        "all_members": relationship("User", secondary=rows, viewonly=True),
    }
    parts.models()


# Shapes that aren't changed over SCIM are no shapes for every test.
SHOWN: dict[str, Declare] = {}


def _shown_shape(name: str) -> Callable[[Declare], Declare]:
    def register(declare: Declare) -> Declare:
        SHOWN[name] = declare
        return declare

    return register


@_shown_shape("shown by a relationship")
def _shown_by_a_relationship(parts: SimpleNamespace) -> Any:
    _shown(parts)
    return fields.Members(parts.Team.members, read_only=True)


@_shown_shape("shown by a select")
def _shown_by_a_select(parts: SimpleNamespace) -> Any:
    _shown(parts)
    rows = parts.rows
    pairs = sa.select(rows.c.team_id, rows.c.user_id).where(rows.c.level > 1)
    return fields.Members(pairs, read_only=True)


@_shown_shape("shown by objects")
def _shown_by_objects(parts: SimpleNamespace) -> Any:
    level = mapped_column(sa.Integer, nullable=False)
    _object(
        parts,
        {"level": level},
        primaryjoin="and_(Membership.team_id == Team.id, Membership.level > 1)",
        viewonly=True,
    )
    return fields.Members(parts.Team.memberships, user=parts.Membership.user, read_only=True)


def with_strategy(strategy: str) -> str:
    """Register a shape whose relationships are loaded in one of SQLAlchemy's ways."""
    name = f"loaded by {strategy}"

    def declare(parts: SimpleNamespace) -> Any:
        parts.rows = _pairs(parts)
        both: dict[str, Any] = {"secondary": parts.rows, "lazy": strategy, "passive_deletes": True}
        parts.user = {"teams": relationship("Team", back_populates="members", **both)}
        parts.team = {"members": relationship("User", back_populates="teams", **both)}
        parts.models()
        return fields.Members(parts.Team.members)

    SHOWN.setdefault(name, declare)
    return name


def _raced(parts: SimpleNamespace) -> Any:
    parts.rows = sa.Table(
        "membership",
        parts.db.metadata,
        sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True
        ),
    )
    parts.team = {"members": relationship("User", secondary=parts.rows)}
    parts.models()
    return fields.Members(parts.Team.members)


@_shown_shape("raced")
def _raced_and_kept(parts: SimpleNamespace) -> Any:
    return _raced(parts)


@_shown_shape("raced and deleted")
def _raced_and_deleted(parts: SimpleNamespace) -> Any:
    parts.options["on_delete"] = "delete"
    return _raced(parts)


@_shown_shape("raced for one team")
def _raced_for_one_team(parts: SimpleNamespace) -> Any:
    _one_team(parts, members=relationship("User"))
    return fields.Members(parts.Team.members)

"""A portal with columns that somebody else fills: the database, the mapper, a sequence."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(sa.Identity(start=100), primary_key=True)
    revision: Mapped[str] = mapped_column(sa.String(36))
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    first_name: Mapped[str] = mapped_column(sa.String(80), server_default="")
    last_name: Mapped[str] = mapped_column(sa.String(80), server_default="")
    sort_name: Mapped[str] = mapped_column(
        sa.String(200), sa.Computed("lower(last_name)", persisted=True)
    )
    uniquifier: Mapped[str] = mapped_column(
        sa.String(36), unique=True, insert_default=lambda: str(uuid.uuid4())
    )
    plan: Mapped[str] = mapped_column(sa.String(20), server_default=sa.text("'free'"))
    created: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    touched: Mapped[datetime | None] = mapped_column(
        sa.DateTime(timezone=True), onupdate=lambda: datetime.now(UTC)
    )
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())

    __mapper_args__ = {
        "version_id_col": revision,
        "version_id_generator": lambda _old: str(uuid.uuid4()),
        "eager_defaults": True,
    }


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    name = fields.Complex(
        given_name=fields.Attribute(User.first_name, default=""),
        family_name=fields.Attribute(User.last_name, default=""),
    )
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("columns_filled_by_others")
    app.config.update(SECRET_KEY="columns filled by others", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestColumnsFilledByOthers(ProvisioningContract):
    def test_every_column_has_its_value(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        bob = scim.post("/Users", {"userName": "bob"})
        assert bob.status_code == 201, "what the database fills was asked for"
        assert bob.json["active"] is True
        with portal.app_context():
            users = db.session.scalars(sa.select(User).order_by(User.id)).all()
            assert [user.sort_name for user in users] == ["lovelace", ""]
            assert {user.plan for user in users} == {"free"}
            assert len({user.uniquifier for user in users}) == 2
            revision = users[0].revision
            assert users[0].touched is None
        renamed = self.renamed(self.new_user(1))
        assert scim.put(f"/Users/{ada['id']}", renamed).status_code == 200
        with portal.app_context():
            user = db.session.scalars(sa.select(User).order_by(User.id)).first()
            assert (user.sort_name, user.revision != revision) == ("byron", True)
            assert user.touched is not None

    def test_a_change_by_the_portal_in_between_is_seen(self, portal: Flask) -> None:
        """The portal's version column and the service's own don't lose each other's changes."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        with portal.app_context():
            db.session.scalars(sa.select(User)).one().last_name = "King"
            db.session.commit()
        stale = {"If-Match": ada["meta"]["version"]}
        path = f"/Users/{ada['id']}"
        assert scim.put(path, self.new_user(1), headers=stale).status_code == 412
        assert scim.get(path).json["name"]["familyName"] == "King"
        assert scim.put(path, self.new_user(1)).status_code == 200

"""A portal whose join table has columns, checks, and a unique constraint of its own."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime

import pytest
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

memberships = sa.Table(
    "memberships",
    db.metadata,
    sa.Column("id", sa.Uuid, primary_key=True, default=uuid.uuid4),
    sa.Column("team", sa.ForeignKey("team.id"), key="team_id", nullable=False),
    sa.Column("usr", sa.ForeignKey("user.id"), key="user_id", nullable=False),
    sa.Column("badge", sa.String(36), nullable=False, default=lambda: secrets.token_hex(8)),
    sa.Column("level", sa.Integer, nullable=False, default=1),
    sa.Column("source", sa.String(20), nullable=False, server_default="directory"),
    sa.Column("added", sa.DateTime(timezone=True), default=lambda: datetime.now(UTC)),
    sa.UniqueConstraint("team_id", "user_id"),
    sa.UniqueConstraint("badge"),
    sa.CheckConstraint("level BETWEEN 1 AND 5", name="level_of_membership"),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=memberships)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("membership_columns")
    app.config.update(SECRET_KEY="membership columns", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestMembershipColumns(ProvisioningContract):
    def test_rows_have_all_their_columns(self, portal: Flask) -> None:
        """Each row its own badge and key, where Python makes them."""
        scim = self.connect(portal)
        people = self.create_users(scim, 1, 2, 3)
        self.create_group(scim, 1, people)
        with portal.app_context():
            rows = db.session.execute(sa.select(memberships)).all()
        assert len({row.id for row in rows}) == len({row.badge for row in rows}) == 3
        assert {(row.level, row.source) for row in rows} == {(1, "directory")}
        assert all(row.added is not None for row in rows)

    def test_another_constraint_is_no_success(
        self, portal: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the pair that is there already is forgiven; a badge that is taken is an error."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        group = self.create_group(scim, 1, [ada])["id"]
        monkeypatch.setattr(secrets, "token_hex", lambda _length: "the same")
        with portal.app_context():
            db.session.execute(sa.update(memberships).values(badge="the same"))
            db.session.commit()
        adding = {"op": "add", "path": "members", "value": [{"value": bob}]}
        answer = scim.patch(f"/Groups/{group}", [adding])
        assert answer.status_code >= 400, "bob was answered with success, and isn't there"
        self.assert_members(scim, group, [ada])
        again = {"op": "add", "path": "members", "value": [{"value": ada}]}
        assert scim.patch(f"/Groups/{group}", [again]).status_code == 204

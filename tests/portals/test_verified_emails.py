"""A portal that keeps more of an e-mail address than SCIM knows: whether it was verified."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    emails: Mapped[list[Email]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="Email.created"
    )


class Email(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
    address: Mapped[str] = mapped_column(sa.String(150))
    kind: Mapped[str | None] = mapped_column(sa.String(20))
    primary: Mapped[bool] = mapped_column("is_primary", default=False)
    verified: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=datetime.now)
    user: Mapped[User] = relationship(back_populates="emails")


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
    active = fields.Attribute(User.is_active)
    emails = fields.Values(User.emails, value=Email.address, type=Email.kind, primary=Email.primary)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("verified_emails")
    app.config.update(SECRET_KEY="verified emails", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestVerifiedEmails(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        user = super().new_user(n)
        others = [{"value": f"{name}.{n}@home.example", "type": "other"} for name in ("one", "two")]
        return user | {"emails": [*user["emails"], *others]}

    def _verified(self, portal: Flask) -> dict[str, bool]:
        with portal.app_context():
            rows = db.session.scalars(sa.select(Email))
            return {row.address: row.verified for row in rows}

    def _verify_all(self, portal: Flask) -> None:
        with portal.app_context():
            db.session.execute(sa.update(Email).values(verified=True))
            db.session.commit()

    def test_what_was_verified_stays_verified(self, portal: Flask) -> None:
        """A row is found by its address first, so that it keeps what else it has."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        self._verify_all(portal)
        two = {"op": "remove", "path": 'emails[value eq "one.1@home.example"]'}
        assert scim.patch(path, [two]).status_code == 200
        assert self._verified(portal) == {
            "ada.1@contract.example": True,
            "two.1@home.example": True,
        }
        emails = [
            {"value": "new.1@home.example", "type": "other"},
            {"value": "two.1@home.example", "type": "home"},
            {"value": "ada.1@contract.example", "type": "work", "primary": True},
        ]
        body = dict(self.new_user(1), emails=emails)
        assert scim.put(path, body).status_code == 200
        assert self._verified(portal) == {
            "ada.1@contract.example": True,
            "two.1@home.example": True,
            "new.1@home.example": False,
        }

    def test_a_new_address_is_not_verified(self, portal: Flask) -> None:
        """Also where it comes in the place of another one of its type."""
        scim = self.connect(portal, "entra")
        user = self.create_user(scim, 1)
        self._verify_all(portal)
        changing = {
            "op": "Replace",
            "path": 'emails[type eq "work"].value',
            "value": "new@contract.example",
        }
        assert scim.patch(f"/Users/{user['id']}", [changing]).status_code == 200
        verified = self._verified(portal)
        assert "ada.1@contract.example" not in verified
        assert verified["two.1@home.example"] is True

"""A portal that keeps ``disabled_at``, settings as JSON, a role and e-mail addresses in rows."""

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


class Role(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(sa.String(255), unique=True)
    disabled_at: Mapped[datetime | None]
    preferences: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    phone: Mapped[str | None] = mapped_column(sa.String(40))
    role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"))
    role: Mapped[Role | None] = relationship()
    addresses: Mapped[list[Address]] = relationship(cascade="all, delete-orphan")


class Address(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(sa.String(255))
    kind: Mapped[str | None] = mapped_column(sa.String(20))
    is_primary: Mapped[bool] = mapped_column(default=False)


members = sa.Table(
    "members",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    members: Mapped[list[User]] = relationship(secondary=members)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.login)
    active = fields.ActiveUnless(User.disabled_at)
    locale = fields.JsonKey(User.preferences, "locale")
    user_type = fields.Lookup(User.role, by=Role.name)
    phone_numbers = fields.OneValue(value=User.phone, type="work")
    emails = fields.Values(
        User.addresses, value=Address.email, type=Address.kind, primary=Address.is_primary
    )


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("disabled_at")
    app.config.update(SECRET_KEY="disabled at", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([Role(name="Reader"), Role(name="Writer")])
        db.session.commit()


class TestDisabledAt(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        user = super().new_user(n)
        home = {"value": f"home.{n}@contract.example", "type": "home", "primary": False}
        return user | {
            "emails": [*user["emails"], home],
            "phoneNumbers": [{"value": f"+44 20 {n}", "type": "work"}],
            "locale": "en-GB",
            "userType": "Reader",
        }

    def renamed(self, user: dict[str, Any]) -> dict[str, Any]:
        changed = super().renamed(user)
        phones = [{"value": "+44 30", "type": "work"}]
        return changed | {"userType": "Writer", "locale": "de", "phoneNumbers": phones}

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(db.select(User).filter_by(login=user_name)).first()
            return user is not None and user.disabled_at is None

    def test_the_rows_are_as_the_portal_would_write_them(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            user = db.session.scalars(db.select(User)).one()
            assert user.disabled_at is None
            assert user.preferences == {"locale": "en-GB"}
            assert (user.phone, user.role.name) == ("+44 20 1", "Reader")
            assert {(each.email, each.kind, each.is_primary) for each in user.addresses} == {
                ("ada.1@contract.example", "work", True),
                ("home.1@contract.example", "home", False),
            }
            user.preferences = {**user.preferences, "theme": "dark"}
            db.session.commit()
        off = {"op": "replace", "value": {"active": False, "locale": "fr"}}
        assert scim.patch(f"/Users/{ada}", [off]).status_code == 200
        with portal.app_context():
            user = db.session.scalars(db.select(User)).one()
            first = user.disabled_at
            assert first is not None
            assert user.preferences == {"locale": "fr", "theme": "dark"}
        assert scim.patch(f"/Users/{ada}", [off]).status_code == 200
        with portal.app_context():
            assert db.session.scalars(db.select(User)).one().disabled_at == first

    def test_roles_that_nobody_knows_are_refused(self, portal: Flask) -> None:
        scim = self.connect(portal)
        refused = scim.post("/Users", dict(self.new_user(1), userType="Emperor"))
        assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")
        with portal.app_context():
            assert db.session.scalars(db.select(User)).first() is None
            assert db.session.scalars(db.select(Address)).first() is None

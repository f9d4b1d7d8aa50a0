"""A portal whose memberships are objects: with a key, a date, a role and a unique pair."""

from __future__ import annotations

from datetime import datetime

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


class Account(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(255), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(80))
    last_name: Mapped[str | None] = mapped_column(sa.String(80))
    is_enabled: Mapped[bool] = mapped_column(default=True)
    memberships: Mapped[list[Membership]] = relationship(
        back_populates="account", cascade="all, delete-orphan"
    )


class Workspace(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    memberships: Mapped[list[Membership]] = relationship(
        back_populates="workspace", cascade="all, delete-orphan"
    )


class Membership(db.Model):
    __table_args__ = (sa.UniqueConstraint("account_id", "workspace_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    workspace_id: Mapped[int] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(sa.String(20), default="viewer")
    joined: Mapped[datetime] = mapped_column(default=datetime.now)
    starred: Mapped[bool] = mapped_column(server_default=sa.false())
    account: Mapped[Account] = relationship(back_populates="memberships")
    workspace: Mapped[Workspace] = relationship(back_populates="memberships")


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Account

    user_name = fields.Attribute(Account.email)
    name = fields.Complex(given_name=Account.first_name, family_name=Account.last_name)
    active = fields.Attribute(Account.is_enabled)


class PortalGroup(GroupSchema):
    class Meta:
        model = Workspace

    display_name = fields.Attribute(Workspace.name)
    members = fields.Members(Workspace.memberships, user=Membership.account)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("association_objects")
    app.config.update(SECRET_KEY="association objects", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestAssociationObjects(ProvisioningContract):
    def test_what_the_portal_keeps_of_a_membership_stays(self, portal: Flask) -> None:
        """Adding somebody again, or replacing by the same members, is no new membership."""
        scim = self.connect(portal)
        ada, bob, eve = self.create_users(scim, 1, 2, 3)
        group = self.create_group(scim, 1, [ada, bob])["id"]
        with portal.app_context():
            for row in db.session.scalars(sa.select(Membership)):
                assert (row.role, row.starred) == ("viewer", False)
                assert row.joined is not None
                row.role, row.starred = "owner", True
            db.session.commit()
        same = {"op": "add", "path": "members", "value": [{"value": ada}]}
        scim.patch(f"/Groups/{group}", [same])
        value = [{"value": ada}, {"value": bob}, {"value": eve}]
        scim.patch(f"/Groups/{group}", [{"op": "replace", "path": "members", "value": value}])
        with portal.app_context():
            rows = db.session.scalars(sa.select(Membership).order_by(Membership.account_id))
            roles = {row.account.first_name: (row.role, row.starred) for row in rows}
        assert roles == {
            "Ada1": ("owner", True),
            "Ada2": ("owner", True),
            "Ada3": ("viewer", False),
        }

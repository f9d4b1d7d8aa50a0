"""A portal of several organisations, whose rows name theirs, and where names are theirs alone."""

from __future__ import annotations

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


class OrganisationMixin:
    org_slug: Mapped[str] = mapped_column(sa.String(40), index=True)


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True, index=True),
)


class User(OrganisationMixin, db.Model):
    __table_args__ = (sa.UniqueConstraint("org_slug", "username"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150))
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(OrganisationMixin, db.Model):
    __table_args__ = (sa.UniqueConstraint("org_slug", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150))
    members: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User
        tenant = User.org_slug

    user_name = fields.Attribute(User.username)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team
        tenant = Team.org_slug

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("tenants")
    app.config.update(SECRET_KEY="tenants", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestTenants(ProvisioningContract):
    tenant = "acme"
    other_tenant = "globex"

    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            names = ("acme", "globex")
            db.session.add_all(User(username=f"old.{n}", org_slug=name) for name in names)
            db.session.commit()
        return f"old.{n}"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            names = ("acme", "globex")
            db.session.add_all(Team(name=f"Old {n}", org_slug=name) for name in names)
            db.session.commit()
        return f"Old {n}"

    def test_each_tenant_has_its_own_person_of_a_name(self, portal: Flask) -> None:
        one, two = self.connect(portal), self.connect(portal, tenant="globex")
        self.create_user(one, 1)
        two_id = self.create_user(two, 1)["id"]
        assert two.delete(f"/Users/{two_id}").status_code == 204
        with portal.app_context():
            rows = db.session.scalars(sa.select(User).order_by(User.org_slug))
            assert [(row.org_slug, row.is_active) for row in rows] == [
                ("acme", True),
                ("globex", False),
            ]

"""A portal whose every SELECT is narrowed to the organisation of the request, by a listener."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask, g, has_request_context, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    with_loader_criteria,
)

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


def current_organisation() -> str | None:
    return g.get("organisation") if has_request_context() else None


class Owned:
    organisation: Mapped[str] = mapped_column(sa.String(40), default=current_organisation)


@event.listens_for(db.session, "do_orm_execute")
def only_of_this_organisation(state: Any) -> None:
    name = current_organisation()
    if state.is_select and name is not None:
        state.statement = state.statement.options(
            with_loader_criteria(Owned, lambda cls: cls.organisation == name, include_aliases=True)
        )


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(Owned, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150))
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(Owned, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150))
    members: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User
        tenant = User.organisation

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team
        tenant = Team.organisation

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("tenant_criteria")
    app.config.update(SECRET_KEY="tenant criteria", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)

    @app.before_request
    def choose_organisation() -> None:
        # /api/v1/<organisation>/...; the portal's own pages have it in the session.
        parts = request.path.split("/")
        g.organisation = parts[3] if request.path.startswith("/api/v1/") else None

    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestTenantCriteria(ProvisioningContract):
    tenant = "acme"
    other_tenant = "globex"

    def test_rows_are_the_organisations(self, portal: Flask) -> None:
        one, two = self.connect(portal), self.connect(portal, tenant="globex")
        self.create_group(one, 1, self.create_users(one, 1))
        self.create_group(two, 1, self.create_users(two, 1))
        with portal.app_context():
            owners = db.session.scalars(sa.select(User.organisation).order_by(User.organisation))
            assert owners.all() == ["acme", "globex"]
            teams = db.session.scalars(sa.select(Team))
            assert all(team.members[0].organisation == team.organisation for team in teams)

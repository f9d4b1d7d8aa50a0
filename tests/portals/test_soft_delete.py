"""A portal that deletes nothing: a criterion on each SELECT hides the rows that are gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Flask
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


class SoftDeleted:
    deleted_at: Mapped[datetime | None] = mapped_column()


@event.listens_for(db.session, "do_orm_execute")
def hide_what_is_deleted(state: Any) -> None:
    if state.is_select and not state.execution_options.get("include_deleted", False):
        state.statement = state.statement.options(
            with_loader_criteria(
                SoftDeleted, lambda cls: cls.deleted_at.is_(None), include_aliases=True
            )
        )


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(SoftDeleted, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150))
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(SoftDeleted, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150))
    members: Mapped[list[User]] = relationship(secondary=team_user)


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
    app = Flask("soft_delete")
    app.config.update(SECRET_KEY="soft delete", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestSoftDelete(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            gone = User(username=f"old.{n}", deleted_at=datetime(2024, 1, 1))
            db.session.add_all([gone, User(username=f"old.{n}")])
            db.session.commit()
        return f"old.{n}"

    def test_who_is_gone_for_the_portal_is_gone_for_scim(self, portal: Flask) -> None:
        """Neither shown, nor found, nor changed; nor a member, nor in the way of a new one."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        group, other = (self.create_group(scim, n, [ada, bob])["id"] for n in (1, 2))
        with portal.app_context():
            row = db.session.scalars(sa.select(User).filter_by(username="ada.1@contract.example"))
            row.one().deleted_at = datetime(2024, 1, 1)
            team = db.session.scalars(sa.select(Team).filter_by(name="Contract group 2")).one()
            team.deleted_at = datetime(2024, 1, 1)
            db.session.commit()
        assert scim.get(f"/Users/{ada}").status_code == 404
        off = {"op": "replace", "path": "active", "value": False}
        assert scim.patch(f"/Users/{ada}", [off]).status_code == 404
        assert scim.delete(f"/Users/{ada}").status_code == 404
        listed = [each["id"] for each in scim.get("/Users").json["Resources"]]
        assert listed == [bob]
        assert self.found(scim, "/Users", 'userName eq "ada.1@contract.example"') == []
        self.assert_members(scim, group, [bob])
        assert scim.get(f"/Groups/{other}").status_code == 404
        assert self.groups_of(scim, bob) == [group]
        assert self.create_user(scim, 1)["id"] != ada
        with portal.app_context():
            everybody = sa.select(User).execution_options(include_deleted=True)
            rows = db.session.scalars(everybody.order_by(User.id)).all()
            assert [(row.username[:5], row.is_active, row.deleted_at is None) for row in rows] == [
                ("ada.1", True, False),
                ("ada.2", True, True),
                ("ada.1", True, True),
            ]

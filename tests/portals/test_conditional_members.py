"""A portal whose memberships have a role and an end: only some of the rows are members."""

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


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Participation(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
    role: Mapped[str] = mapped_column(sa.String(20))
    left_at: Mapped[datetime | None]
    user: Mapped[User] = relationship()


class Project(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(
        secondary=Participation.__table__,
        secondaryjoin=lambda: sa.and_(
            Participation.user_id == User.id,
            Participation.role == "member",
            Participation.left_at.is_(None),
        ),
        overlaps="user",
    )


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Project

    display_name = fields.Attribute(Project.name)
    members = fields.Members(Project.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("conditional_members")
    app.config.update(SECRET_KEY="conditional members", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestConditionalMembers(ProvisioningContract):
    def test_other_rows_are_neither_shown_nor_changed(self, portal: Flask) -> None:
        """An owner and a member who has left are none; they stay what they are."""
        scim = self.connect(portal)
        ada, bob, eve = self.create_users(scim, 1, 2, 3)
        group = self.create_group(scim, 1, [ada])["id"]
        with portal.app_context():
            project = db.session.scalars(sa.select(Project)).one()
            users = {u.username[:5]: u for u in db.session.scalars(sa.select(User))}
            left = datetime(2024, 1, 1)
            db.session.add_all(
                [
                    Participation(project_id=project.id, user=users["ada.2"], role="owner"),
                    Participation(
                        project_id=project.id, user=users["ada.3"], role="member", left_at=left
                    ),
                ]
            )
            db.session.commit()
        self.assert_members(scim, group, [ada])
        self.assert_not_members(scim, group, [bob, eve])
        adding = {"op": "add", "path": "members", "value": [{"value": bob}, {"value": eve}]}
        assert scim.patch(f"/Groups/{group}", [adding]).status_code == 204
        self.assert_members(scim, group, [ada, bob, eve])
        clearing = {"op": "remove", "path": "members"}
        assert scim.patch(f"/Groups/{group}", [clearing]).status_code == 204
        self.assert_members(scim, group, [])
        with portal.app_context():
            rows = db.session.execute(sa.select(Participation.role, Participation.left_at))
            assert ("owner", None) in rows.all()
            ended = sa.select(Participation).where(Participation.left_at == left)
            assert len(db.session.scalars(ended).all()) == 1

    def test_new_rows_meet_the_condition(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            row = db.session.scalars(sa.select(Participation)).one()
            assert (row.role, row.left_at) == ("member", None)

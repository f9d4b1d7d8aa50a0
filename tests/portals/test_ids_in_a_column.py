"""A portal that keeps the members of a team as a list of ids in one column."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

SHAPES = ("json", "array")


def create_app(url: str, shape: str) -> Flask:
    # models begin
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class User(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)

    ids = sa.JSON()
    if shape == "array":
        ids = ids.with_variant(ARRAY(sa.Integer), "postgresql")

    class Team(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        member_ids: Mapped[list[int]] = mapped_column(ids, default=list)

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
        members = fields.Members(Team.member_ids)

    provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
    # provisioning end

    app = Flask(f"ids_in_a_column_{shape}")
    app.config.update(SECRET_KEY="ids in a column", SQLALCHEMY_DATABASE_URI=url, TEAM=Team)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestIdsInAColumn(ProvisioningContract):
    def test_the_column_has_each_id_once(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        group = self.create_group(scim, 1, [ada])["id"]
        adding = {"op": "add", "path": "members", "value": [{"value": bob}, {"value": ada}]}
        for _ in range(2):
            assert scim.patch(f"/Groups/{group}", [adding]).status_code in (200, 204)
        session = portal.extensions["sqlalchemy"].session
        with portal.app_context():
            (ids,) = session.scalars(sa.select(portal.config["TEAM"].member_ids)).all()
        assert len(ids) == 2
        assert all(isinstance(each, int) for each in ids)

    def test_an_id_that_nobody_has_is_no_member(self, portal: Flask) -> None:
        """Nothing keeps a column's ids true; what nobody has isn't shown, and isn't lost."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        session, team = portal.extensions["sqlalchemy"].session, portal.config["TEAM"]
        with portal.app_context():
            session.add(team(name="Old", member_ids=[999_999]))
            session.commit()
        (group,) = self.found(scim, "/Groups", 'displayName eq "Old"')
        assert self.members(scim, group) == []
        adding = {"op": "add", "path": "members", "value": [{"value": ada}]}
        assert scim.patch(f"/Groups/{group}", [adding]).status_code in (200, 204)
        self.assert_members(scim, group, [ada])

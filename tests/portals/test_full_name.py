"""A portal with one column for a person's whole name, which can't be empty."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_scim_provisioning import Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.FullName", "Provisioning(group_schema=None)")


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(150), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    is_active: Mapped[bool] = mapped_column(default=True)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.email)
    name = fields.FullName(User.name)
    active = fields.Attribute(User.is_active)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=None)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("full_name")
    app.config.update(SECRET_KEY="full name", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestFullName(ProvisioningContract):
    groups = "none"

    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(email=f"old.{n}@contract.example", name="Old Person"))
            db.session.commit()
        return f"old.{n}@contract.example"

    def _name(self, portal: Flask) -> str:
        with portal.app_context():
            return db.session.scalars(sa.select(User.name)).one()

    def test_the_column_has_the_whole_name(self, portal: Flask) -> None:
        scim = self.connect(portal)
        body = {"userName": "ada", "name": {"givenName": "Ada", "familyName": "Lovelace"}}
        ada = scim.post("/Users", body).json
        assert self._name(portal) == "Ada Lovelace"
        renaming = {"op": "replace", "path": "name.familyName", "value": "King"}
        assert scim.patch(f"/Users/{ada['id']}", [renaming]).status_code == 200
        assert self._name(portal) == "Ada King"
        read = self.read(scim, f"/Users/{ada['id']}")
        assert (read["name"]["givenName"], read["name"]["familyName"]) == ("Ada", "King")

    def test_the_portals_own_change_is_shown(self, portal: Flask) -> None:
        """What was kept beside a name is forgotten with it."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            db.session.scalars(sa.select(User)).one().name = "Augusta King"
            db.session.commit()
        read = self.read(scim, f"/Users/{ada}")
        assert read["displayName"] == read["name"]["formatted"] == "Augusta King"
        assert "Lovelace" not in str(read["name"])
        assert self.found(scim, "/Users", 'name.familyName eq "Lovelace"') == []

    def test_what_a_name_is_made_of_is_shown_for_the_portals_people(self, portal: Flask) -> None:
        scim = self.connect(portal)
        name = self.existing_user(portal, 1)
        (user,) = scim.get("/Users", filter=f'userName eq "{name}"').json["Resources"]
        assert user["displayName"] == user["name"]["formatted"] == "Old Person"
        assert self.found(scim, "/Users", 'displayName eq "old person"') == [user["id"]]

    def test_a_name_is_made_from_what_there_is(self, portal: Flask) -> None:
        """An identity provider that sends no name at all creates somebody with one."""
        bodies: list[tuple[dict[str, Any], str]] = [
            ({"name": {"familyName": "Lovelace"}}, "Lovelace"),
            ({"displayName": "Countess"}, "Countess"),
            ({"name": {"formatted": "Lady Lovelace"}}, "Lady Lovelace"),
            ({}, "ada.3"),
        ]
        scim = self.connect(portal)
        for n, (body, expected) in enumerate(bodies):
            created = scim.post("/Users", {"userName": f"ada.{n}", **body})
            assert created.status_code == 201, created.json
            with portal.app_context():
                name = db.session.scalars(sa.select(User.name).filter_by(email=f"ada.{n}")).one()
            assert name == expected

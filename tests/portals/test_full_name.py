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
        ada = self.create_user(scim, 1)
        assert self._name(portal) == "Ada1 Lovelace"
        renaming = {"op": "replace", "path": "name.familyName", "value": "King"}
        assert scim.patch(f"/Users/{ada['id']}", [renaming]).status_code == 200
        assert self._name(portal) == "Ada1 King"
        read = self.read(scim, f"/Users/{ada['id']}")
        assert (read["name"]["givenName"], read["name"]["familyName"]) == ("Ada1", "King")

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
            ({}, "ada@contract.example"),
        ]
        scim = self.connect(portal)
        for body, expected in bodies:
            created = scim.post("/Users", {"userName": "ada@contract.example", **body})
            assert created.status_code == 201, created.json
            assert self._name(portal) == expected
            with portal.app_context():
                db.session.delete(db.session.scalars(sa.select(User)).one())
                db.session.commit()

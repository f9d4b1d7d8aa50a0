"""A portal over an old schema: attributes named otherwise than columns, hybrids and synonyms."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    mapped_column,
    relationship,
    synonym,
)

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Audited:
    """A mixin of every table of the old schema."""

    remarks: Mapped[str | None] = mapped_column("REMARKS", sa.String(200), default="by portal")


class User(Audited, db.Model):
    __tablename__ = "TBL_USR"

    key: Mapped[int] = mapped_column("USR_NO", primary_key=True)
    login: Mapped[str] = mapped_column("USR_LOGIN", sa.String(150), unique=True)
    first: Mapped[str | None] = mapped_column("USR_FNAME", sa.String(100))
    last: Mapped[str | None] = mapped_column("USR_LNAME", sa.String(100))
    locked: Mapped[int] = mapped_column("USR_LOCKED", default=0)
    initials = column_property(
        sa.func.substr(first, 1, 1, type_=sa.String) + sa.func.substr(last, 1, 1, type_=sa.String)
    )
    name = synonym("login")

    @hybrid_property
    def is_active(self) -> bool:
        return self.locked == 0

    @is_active.inplace.setter
    def _set_active(self, value: bool) -> None:
        self.locked = 0 if value else 1

    @is_active.inplace.expression
    @classmethod
    def _active_in_sql(cls) -> sa.ColumnElement[bool]:
        return cls.locked == 0


class Seat(Audited, db.Model):
    __tablename__ = "TBL_GRP_USR"

    group_key: Mapped[int] = mapped_column("GRP", sa.ForeignKey("TBL_GRP.GRP_NO"), primary_key=True)
    user_key: Mapped[int] = mapped_column("USR", sa.ForeignKey("TBL_USR.USR_NO"), primary_key=True)
    weight: Mapped[int] = mapped_column("WGHT", default=1)
    holder: Mapped[User] = relationship()


class Group(Audited, db.Model):
    __tablename__ = "TBL_GRP"

    key: Mapped[int] = mapped_column("GRP_NO", primary_key=True)
    label: Mapped[str] = mapped_column("GRP_LABEL", sa.String(150), unique=True)
    seats: Mapped[list[Seat]] = relationship(cascade="all, delete-orphan")


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.name)
    name = fields.Complex(given_name=User.first, family_name=User.last)
    nick_name = fields.Attribute(User.initials)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Group

    display_name = fields.Attribute(Group.label)
    members = fields.Members(Group.seats, user=Seat.holder)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("legacy_names")
    app.config.update(SECRET_KEY="legacy names", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestLegacyNames(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(login=f"old.{n}", first="Old", last="Person"))
            db.session.commit()
        return f"old.{n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(sa.select(User).filter_by(login=user_name)).first()
            return user is not None and user.is_active

    def test_rows_are_as_the_portal_would_write_them(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.login, user.locked, user.initials, user.remarks) == (
                "ada.1@contract.example",
                0,
                "AL",
                "by portal",
            )
            seat = db.session.scalars(sa.select(Seat)).one()
            assert (seat.holder, seat.weight, seat.remarks) == (user, 1, "by portal")

    def test_what_sql_computes_is_shown_and_not_written(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        assert ada["nickName"] == "AL"
        assert self.found(scim, "/Users", 'nickName eq "AL"') == [ada["id"]]
        writing = {"op": "replace", "path": "nickName", "value": "Babs"}
        refused = scim.patch(f"/Users/{ada['id']}", [writing])
        assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")

"""Portals whose people and clubs have a tenant column or none, and whose clubs hold other clubs."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.mapping.bindings.stores import TableMembership
from tests.portal import Host

__all__ = ["clubs"]


@functools.cache
def clubs(tenants: str = "", nesting: str = "") -> Host:
    """Return a portal of people and clubs.

    :param tenants: which of ``users`` and ``groups`` have a tenant column, one or both.
    :param nesting: how clubs contain clubs: by a secondary ``table``, by association ``objects``,
        by the key of a ``parent``, by a ``store`` of the team's own; by default they don't.
    """

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    member = _pairs(db, "member", "club_id", "club.id", "person_id", "person.id")
    inside = _pairs(db, "inside", "outer_id", "club.id", "inner_id", "club.id")

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        if "users" in tenants:
            org_id: Mapped[str] = mapped_column(sa.String(64), index=True)

    class Club(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "club"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_secret: Mapped[bool] = mapped_column(default=False)
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("club.id"), index=True)
        members = relationship(Person, secondary=member)
        by_parent = relationship("Club")
        by_table = relationship(
            "Club",
            secondary=inside,
            primaryjoin=lambda: Club.id == inside.c.outer_id,
            secondaryjoin=lambda: Club.id == inside.c.inner_id,
        )
        if "groups" in tenants:
            org_id: Mapped[str] = mapped_column(sa.String(64), index=True)

    class Inclusion(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "inclusion"

        id: Mapped[int] = mapped_column(primary_key=True)
        outer_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"))
        inner_id: Mapped[int] = mapped_column(sa.ForeignKey("club.id"), index=True)
        reason: Mapped[str] = mapped_column(sa.String(50), default="provisioned")
        inner = relationship(Club, foreign_keys=inner_id)

    Club.by_objects = relationship(Inclusion, foreign_keys=Inclusion.outer_id)
    kinds = {
        "": {},
        "table": {"groups": Club.by_table},
        "objects": {"groups": Club.by_objects, "group": Inclusion.inner},
        "parent": {"groups": Club.by_parent},
        "store": {"groups": TableMembership(inside, inside.c.outer_id, inside.c.inner_id)},
    }

    class PersonSchema(UserSchema):
        class Meta:
            model = Person
            if "users" in tenants:
                tenant = Person.org_id

        user_name = fields.Attribute(Person.username)
        active = fields.Attribute(Person.is_active)

    class ClubSchema(GroupSchema):
        class Meta:
            model = Club
            visible = (Club.is_secret.is_(False),)
            if "groups" in tenants:
                tenant = Club.org_id

        display_name = fields.Attribute(Club.name)
        members = fields.Members(Club.members, **kinds[nesting])

    provisioning = Provisioning(db, user_schema=PersonSchema, group_schema=ClubSchema)
    return Host(db, Person, Club, member, provisioning)


def _pairs(db: Any, name: str, one: str, of_one: str, other: str, of_other: str) -> sa.Table:
    return sa.Table(
        name,
        db.metadata,
        sa.Column(one, sa.ForeignKey(of_one, ondelete="CASCADE"), primary_key=True),
        sa.Column(other, sa.ForeignKey(of_other, ondelete="CASCADE"), primary_key=True),
        sa.Index(f"ix_{name}_{other}", other),
    )

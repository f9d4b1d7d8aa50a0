"""The roles, and the first administrator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .models import Role, User

__all__ = ["ROLES", "Administrator", "ensure_administrator", "ensure_roles", "only_administrator"]

ROLES = (
    ("Administrator", "Manages people, teams, roles and provisioning.", True),
    ("Auditor", "Reads everything, including the audit log.", False),
    ("Member", "Sees people and teams.", False),
)


@dataclass(frozen=True)
class Administrator:
    """Who can sign in; the password is None when it was set before and isn't known."""

    email: str
    password: str | None


def ensure_roles(session: Session) -> None:
    """Create the roles that are missing."""
    present = set(session.scalars(sa.select(Role.name)))
    session.add_all(
        Role(name=name, description=description, is_admin=is_admin)
        for name, description, is_admin in ROLES
        if name not in present
    )


def ensure_administrator(session: Session, email: str, password: str | None) -> Administrator:
    """Create the administrator, or leave the one alone who is there.

    :param password: is set in any case when it is given; else somebody new gets a random one.
    """
    ensure_roles(session)
    session.flush()
    user = session.scalars(sa.select(User).where(User.username == email)).first()
    if user is None:
        password = password or secrets.token_urlsafe(12)
        user = User(username=email, email=email, first_name="Alex", last_name="Morgan")
        user.job_title = "Portal administrator"
        session.add(user)
    user.role = session.scalars(sa.select(Role).where(Role.is_admin)).first()
    user.is_active = True
    if password is not None:
        user.set_password(password)
    return Administrator(email, password)


def only_administrator(session: Session, user: User) -> bool:
    """Say whether nobody else could administer the portal."""
    others = (
        sa.select(sa.func.count())
        .select_from(User)
        .join(Role)
        .where(Role.is_admin, User.is_active, User.id != user.id)
    )
    return user.is_admin and session.scalar(others) == 0

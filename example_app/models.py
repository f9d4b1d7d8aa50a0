"""People, teams, roles and the audit log: the portal's own tables, older than any provisioning."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from flask_login import UserMixin
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from .database import db

__all__ = ["ApiKey", "AuditEntry", "Role", "SignInAttempt", "Team", "User", "team_member"]


def _now() -> datetime:
    """Return the time in UTC, without the zone that not every database keeps."""
    return datetime.now(UTC).replace(tzinfo=None)


class Role(db.Model):
    """What somebody may do here."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60), unique=True)
    description: Mapped[str] = mapped_column(sa.String(200), default="")
    is_admin: Mapped[bool] = mapped_column(default=False)


team_member = sa.Table(
    "team_member",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("portal_user.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_team_member_user_id", "user_id"),
)


class User(UserMixin, db.Model):
    """Somebody with an account. Nobody without a password can sign in with one."""

    __tablename__ = "portal_user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    email: Mapped[str | None] = mapped_column(sa.String(255))
    job_title: Mapped[str | None] = mapped_column(sa.String(120))
    department: Mapped[str | None] = mapped_column(sa.String(120), index=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"), index=True)
    manager_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("portal_user.id", ondelete="SET NULL"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=_now)
    last_sign_in: Mapped[datetime | None]

    role: Mapped[Role | None] = relationship()
    manager: Mapped[User | None] = relationship(remote_side="User.id", back_populates="reports")
    reports: Mapped[list[User]] = relationship(back_populates="manager")
    teams: Mapped[list[Team]] = relationship(secondary=team_member, back_populates="members")

    @property
    def display_name(self) -> str:
        """The name to greet somebody with."""
        return " ".join(filter(None, [self.first_name, self.last_name])) or self.username

    @property
    def initials(self) -> str:
        """Two letters for a picture that there isn't."""
        parts = [part for part in (self.first_name, self.last_name) if part]
        return "".join(part[0] for part in parts).upper() or self.username[:2].upper()

    @property
    def is_admin(self) -> bool:
        """Whether the role lets this person administer the portal."""
        return self.role is not None and self.role.is_admin

    def get_id(self) -> str:
        """Return what names this person in a session, until a directory ends it."""
        from .provisioning import provisioning  # which is made over these models

        return provisioning.session_id(self)

    def set_password(self, password: str) -> None:
        """Keep a salted hash of the password."""
        self.password_hash = generate_password_hash(password)

    def has_password(self, password: str) -> bool:
        """Compare in constant time."""
        return self.password_hash is not None and check_password_hash(self.password_hash, password)


class Team(db.Model):
    """People who work together."""

    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    description: Mapped[str | None] = mapped_column(sa.String(300))
    created_at: Mapped[datetime] = mapped_column(default=_now)

    members: Mapped[list[User]] = relationship(secondary=team_member, back_populates="teams")


class ApiKey(db.Model):
    """What a program of somebody's signs in with; of the secret only the SHA-256 is kept."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey("portal_user.id", ondelete="CASCADE"), index=True
    )
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=_now)
    ended_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()


class SignInAttempt(db.Model):
    """A password that was wrong, so that nobody tries them all."""

    __tablename__ = "sign_in_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=_now, index=True)
    name: Mapped[str] = mapped_column(sa.String(150))
    address: Mapped[str] = mapped_column(sa.String(45))


class AuditEntry(db.Model):
    """Something that somebody did in the portal."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=_now, index=True)
    actor: Mapped[str] = mapped_column(sa.String(150))
    action: Mapped[str] = mapped_column(sa.String(60))
    subject: Mapped[str] = mapped_column(sa.String(255), default="")


# People and teams are looked up without regard to case, and no two have the same name in whatever
# case; MariaDB's collations do that by themselves.
for _column in (User.username, User.email, Team.name):
    _name = f"ix_{_column.class_.__tablename__}_{_column.key}_lower"
    sa.Index(_name, sa.func.lower(_column), unique=_column is not User.email).ddl_if(
        dialect=("sqlite", "postgresql")
    )

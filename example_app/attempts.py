"""How often a password may be wrong: nobody tries them all, and nobody locks others out."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from flask import request

from .database import db
from .models import SignInAttempt, _now

__all__ = ["note_attempt", "too_many_attempts"]

_WINDOW = timedelta(minutes=15)
_OF_PAIR, _OF_ADDRESS, _OF_NAME = 10, 50, 200
"""Of one name from one address; of one address; of one name from everywhere."""


def _address() -> str:
    return (request.remote_addr or "")[:45]


def too_many_attempts(name: str) -> bool:
    """Say whether nobody may try this name from here for now."""
    mine, named = SignInAttempt.address == _address(), SignInAttempt.name == name[:150]
    pair, address, everywhere = db.session.execute(
        sa.select(
            sa.func.count(sa.case((sa.and_(mine, named), 1))),
            sa.func.count(sa.case((mine, 1))),
            sa.func.count(sa.case((named, 1))),
        ).where(SignInAttempt.at > _now() - _WINDOW)
    ).one()
    return bool(pair >= _OF_PAIR or address >= _OF_ADDRESS or everywhere >= _OF_NAME)


def note_attempt(name: str) -> None:
    """Remember that a password was wrong, and forget what is old."""
    db.session.execute(sa.delete(SignInAttempt).where(SignInAttempt.at <= _now() - _WINDOW))
    db.session.add(SignInAttempt(name=name[:150], address=_address()))

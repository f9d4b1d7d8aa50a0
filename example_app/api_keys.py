"""API keys: what a program of somebody's signs in with, until they leave."""

from __future__ import annotations

import secrets
from hashlib import sha256

import sqlalchemy as sa
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from .audit import record
from .database import db
from .models import ApiKey, User, _now

__all__ = ["blueprint", "end_keys_of"]

blueprint = Blueprint("api_keys", __name__)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def end_keys_of(user: User) -> str:
    """End every key of somebody, in the transaction that deactivates them; say how many."""
    mine = sa.and_(ApiKey.user_id == user.id, ApiKey.ended_at.is_(None))
    ended = db.session.execute(sa.update(ApiKey).where(mine).values(ended_at=_now())).rowcount
    return f"{ended} API key{'' if ended == 1 else 's'} ended"


@blueprint.post("/api-keys")
@login_required
def create() -> ResponseReturnValue:
    """Make a key, and show it this once."""
    secret = secrets.token_urlsafe(32)
    db.session.add(ApiKey(user_id=current_user.id, digest=_digest(secret)))
    record("Made an API key")
    db.session.commit()
    page = render_template("portal/api_key.html", secret=secret)
    return page, {"Cache-Control": "no-store"}


@blueprint.get("/api/me")
def me() -> ResponseReturnValue:
    """Answer a program with whom it works for."""
    given = request.headers.get("X-API-Key", "")
    statement = (
        sa.select(ApiKey)
        .join(ApiKey.user)
        .where(ApiKey.digest == _digest(given), ApiKey.ended_at.is_(None), User.is_active)
    )
    key = db.session.scalars(statement).first()
    if key is None:
        abort(401)
    return {"username": key.user.username, "name": key.user.display_name}

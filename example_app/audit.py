"""The portal's own audit log."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from .database import db
from .models import AuditEntry
from .paging import contains, page_of

__all__ = ["blueprint", "record"]

blueprint = Blueprint("audit", __name__)


def record(action: str, subject: str = "", *, actor: str | None = None) -> None:
    """Write an entry, in the transaction of what it tells about."""
    name = actor if actor is not None else current_user.username
    db.session.add(AuditEntry(actor=name[:150], action=action, subject=subject[:255]))


@blueprint.get("/audit")
@login_required
def index() -> ResponseReturnValue:
    """Show what people did, newest first."""
    if current_user.role is None or current_user.role.name == "Member":
        abort(403)
    text = request.args.get("q", "").strip()
    statement = sa.select(AuditEntry).order_by(AuditEntry.id.desc())
    if text:
        found = contains(text, AuditEntry.actor, AuditEntry.action, AuditEntry.subject)
        statement = statement.where(found)
    return render_template("portal/audit.html", page=page_of(statement), text=text)

"""Roles, and how many have them."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from .database import db
from .models import Role, User

__all__ = ["blueprint"]

blueprint = Blueprint("roles", __name__)


@blueprint.get("/roles")
@login_required
def index() -> ResponseReturnValue:
    """List the roles."""
    people = (
        sa.select(sa.func.count())
        .where(User.role_id == Role.id, User.is_active)
        .correlate(Role)
        .scalar_subquery()
    )
    rows = db.session.execute(sa.select(Role, people.label("people")).order_by(Role.name)).all()
    without = db.session.scalar(
        sa.select(sa.func.count()).where(User.role_id.is_(None), User.is_active)
    )
    return render_template("portal/roles.html", rows=rows, without=without)

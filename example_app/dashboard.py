"""The first page."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from .database import db
from .models import AuditEntry, Team, User, team_member

__all__ = ["blueprint"]

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/")
@login_required
def index() -> ResponseReturnValue:
    """Show how many there are of what, and who came last."""
    counts = db.session.execute(
        sa.select(
            sa.select(sa.func.count()).where(User.is_active).scalar_subquery().label("active"),
            sa.select(sa.func.count()).where(~User.is_active).scalar_subquery().label("inactive"),
            sa.select(sa.func.count()).select_from(Team).scalar_subquery().label("teams"),
            sa.select(sa.func.count())
            .select_from(team_member)
            .scalar_subquery()
            .label("memberships"),
        )
    ).one()
    newest = db.session.scalars(sa.select(User).order_by(User.id.desc()).limit(8)).all()
    departments = db.session.execute(
        sa.select(User.department, sa.func.count().label("people"))
        .where(User.department.is_not(None), User.is_active)
        .group_by(User.department)
        .order_by(sa.desc("people"), User.department)
        .limit(6)
    ).all()
    latest = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(5)).all()
    return render_template(
        "portal/dashboard.html",
        counts=counts,
        newest=newest,
        departments=departments,
        latest=latest,
    )

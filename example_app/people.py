"""People: the list, a person, and what an administrator changes by hand."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy.orm import joinedload, selectinload

from .access import admin_only
from .accounts import only_administrator
from .audit import record
from .database import db
from .models import Role, User
from .paging import contains, page_of

__all__ = ["blueprint"]

blueprint = Blueprint("people", __name__, url_prefix="/people")
STATES = {"active": User.is_active.is_(True), "inactive": User.is_active.is_(False)}


@blueprint.get("")
@login_required
def index() -> ResponseReturnValue:
    """List and search people."""
    text = request.args.get("q", "").strip()
    state = request.args.get("state", "")
    department = request.args.get("department", "")
    statement = (
        sa.select(User)
        .options(joinedload(User.role), joinedload(User.manager))
        .order_by(User.last_name, User.first_name, User.id)
    )
    if text:
        columns = (User.username, User.first_name, User.last_name, User.email, User.job_title)
        statement = statement.where(contains(text, *columns))
    if state in STATES:
        statement = statement.where(STATES[state])
    if department:
        statement = statement.where(User.department == department)
    departments = db.session.scalars(
        sa.select(User.department)
        .where(User.department.is_not(None))
        .distinct()
        .order_by(User.department)
        .limit(100)
    ).all()
    return render_template(
        "portal/people.html",
        page=page_of(statement),
        text=text,
        state=state,
        department=department,
        departments=departments,
    )


@blueprint.get("/<int:key>")
@login_required
def show(key: int) -> ResponseReturnValue:
    """Show one person."""
    loaded = (joinedload(User.role), joinedload(User.manager), selectinload(User.teams))
    person = db.get_or_404(User, key, options=loaded)
    reports = db.session.scalars(
        sa.select(User).where(User.manager_id == key).order_by(User.last_name).limit(50)
    ).all()
    roles = db.session.scalars(sa.select(Role).order_by(Role.name)).all()
    return render_template("portal/person.html", person=person, reports=reports, roles=roles)


@blueprint.post("/<int:key>/state")
@admin_only
def change_state(key: int) -> ResponseReturnValue:
    """Deactivate or reactivate somebody."""
    person = db.get_or_404(User, key)
    active = request.form.get("active") == "yes"
    if not active and only_administrator(db.session(), person):
        flash("This is the only administrator; make somebody else one first.", "error")
    elif person.is_active is not active:
        person.is_active = active
        record("Reactivated" if active else "Deactivated", person.username)
        db.session.commit()
        flash(f"{person.display_name} is {'active again' if active else 'deactivated'}.")
    return redirect(url_for(".show", key=key), 303)


@blueprint.post("/<int:key>/role")
@admin_only
def change_role(key: int) -> ResponseReturnValue:
    """Give somebody another role, or none."""
    person = db.get_or_404(User, key)
    role = db.session.get(Role, request.form.get("role", 0, type=int))
    if (role is None or not role.is_admin) and only_administrator(db.session(), person):
        flash("This is the only administrator; make somebody else one first.", "error")
    elif person.role is not role:
        person.role = role
        record(f"Gave role {role.name}" if role else "Took the role away", person.username)
        db.session.commit()
        flash(f"{person.display_name} has the role {role.name if role else '“none”'} now.")
    return redirect(url_for(".show", key=key), 303)

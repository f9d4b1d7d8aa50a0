"""Teams: the list, one with its members, and new ones."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from flask_wtf import FlaskForm
from sqlalchemy.exc import IntegrityError
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from .access import admin_only
from .audit import record
from .database import db
from .models import Team, User, team_member
from .paging import contains, page_of

__all__ = ["blueprint"]

blueprint = Blueprint("teams", __name__, url_prefix="/teams")


class TeamForm(FlaskForm):
    """A new team."""

    name = StringField("Name", validators=[DataRequired("Enter a name."), Length(max=150)])
    description = StringField("Description", validators=[Length(max=300)])


@blueprint.get("")
@login_required
def index() -> ResponseReturnValue:
    """List and search teams."""
    text = request.args.get("q", "").strip()
    size = (
        sa.select(sa.func.count())
        .where(team_member.c.team_id == Team.id)
        .correlate(Team)
        .scalar_subquery()
    )
    statement = sa.select(Team, size.label("size")).order_by(Team.name)
    if text:
        statement = statement.where(
            contains(text, Team.name, sa.func.coalesce(Team.description, ""))
        )
    return render_template("portal/teams.html", page=page_of(statement), text=text)


@blueprint.get("/<int:key>")
@login_required
def show(key: int) -> ResponseReturnValue:
    """Show a team and a page of its members."""
    team = db.get_or_404(Team, key)
    members = (
        sa.select(User)
        .join(team_member, team_member.c.user_id == User.id)
        .where(team_member.c.team_id == key)
        .order_by(User.last_name, User.first_name, User.id)
    )
    text = request.args.get("q", "").strip()
    if text:
        columns = (User.username, User.first_name, User.last_name, User.email)
        members = members.where(contains(text, *columns))
    return render_template("portal/team.html", team=team, page=page_of(members), text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@admin_only
def create() -> ResponseReturnValue:
    """Create a team."""
    form = TeamForm()
    if form.validate_on_submit():
        team = Team(name=form.name.data.strip(), description=form.description.data.strip() or None)
        db.session.add(team)
        record("Created team", team.name)
        try:
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            form.name.errors = ["There is a team of this name."]
        else:
            flash(f"{team.name} is created.")
            return redirect(url_for(".show", key=team.id), 303)
    return render_template("portal/team_form.html", form=form)

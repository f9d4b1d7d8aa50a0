"""Signing in and out."""

from __future__ import annotations

from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_required, login_user, logout_user
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired

from .audit import record
from .database import db
from .models import User, _now

__all__ = ["blueprint", "login_manager"]

blueprint = Blueprint("sign_in", __name__)
login_manager = LoginManager()
login_manager.login_view = "sign_in.page"
login_manager.login_message = None


@login_manager.user_loader
def load_user(key: str) -> User | None:
    """Return who is signed in; a deactivated account's session ends with its next request."""
    user = db.session.get(User, int(key))
    return user if user is not None and user.is_active else None


class SignInForm(FlaskForm):
    """Who are you?"""

    username = StringField("E-mail or user name", validators=[DataRequired("Enter your e-mail.")])
    password = PasswordField("Password", validators=[DataRequired("Enter your password.")])


@blueprint.route("/sign-in", methods=["GET", "POST"])
def page() -> ResponseReturnValue:
    """Sign in."""
    if current_user.is_authenticated:
        return redirect(url_for("dashboard.index"))
    form = SignInForm()
    if form.validate_on_submit():
        name = form.username.data.strip().lower()
        user = db.session.scalars(
            sa.select(User).where(sa.func.lower(User.username) == name)
        ).first()
        if user is not None and user.has_password(form.password.data) and login_user(user):
            user.last_sign_in = _now()
            record("Signed in", actor=user.username)
            db.session.commit()
            return redirect(_own_path(request.args.get("next")))
        record("Sign-in refused", name, actor="somebody")
        db.session.commit()
        form.password.errors = ["No active account has this e-mail and password."]
    return render_template("portal/sign_in.html", form=form)


def _own_path(target: str | None) -> str:
    """Return where to go after signing in: a path of ours, never another site."""
    if target and not urlsplit(target).netloc and target.startswith("/") and "\\" not in target:
        return target
    return url_for("dashboard.index")


@blueprint.post("/sign-out")
@login_required
def leave() -> ResponseReturnValue:
    """Sign out."""
    record("Signed out")
    db.session.commit()
    logout_user()
    flash("You are signed out.")
    return redirect(url_for("sign_in.page"), 303)

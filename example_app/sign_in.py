"""Signing in and out."""

from __future__ import annotations

import re

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_required, login_user, logout_user
from flask_wtf import FlaskForm
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import BooleanField, PasswordField, StringField
from wtforms.validators import DataRequired, Length

from .attempts import note_attempt, too_many_attempts
from .audit import record
from .database import db
from .models import User, _now
from .provisioning import provisioning

__all__ = ["blueprint", "login_manager"]

blueprint = Blueprint("sign_in", __name__)
login_manager = LoginManager()
login_manager.login_view = "sign_in.page"
login_manager.login_message = None


# Whom a directory has deactivated is signed out at the next request, with all cookies of before.
login_manager.user_loader(provisioning.load_user)

# Compared where there is no password, so that a known name takes as long as an unknown one.
_NOBODYS = generate_password_hash("nobody has this password")

# A path of ours: one slash at its beginning, and nothing that a browser reads as another one.
_OWN_PATH = re.compile(r"/(?:[^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*)?")


class SignInForm(FlaskForm):
    """Who are you?"""

    username = StringField(
        "E-mail or user name", validators=[DataRequired("Enter your e-mail."), Length(max=150)]
    )
    password = PasswordField(
        "Password", validators=[DataRequired("Enter your password."), Length(max=1000)]
    )
    remember = BooleanField("Keep me signed in")


@blueprint.route("/sign-in", methods=["GET", "POST"])
def page() -> ResponseReturnValue:
    """Sign in."""
    if current_user.is_authenticated:
        return redirect(url_for("dashboard.index"))
    form = SignInForm()
    if form.validate_on_submit():
        name = form.username.data.strip().lower()
        if too_many_attempts(name):
            form.password.errors = ["That was wrong too often. Try again in a quarter of an hour."]
            return render_template("portal/sign_in.html", form=form), 429
        user = db.session.scalars(
            sa.select(User).where(sa.func.lower(User.username) == name)
        ).first()
        if _is_password_of(user, form.password.data) and login_user(
            user, remember=form.remember.data
        ):
            user.last_sign_in = _now()
            record("Signed in", actor=user.username)
            db.session.commit()
            return redirect(_own_path(request.args.get("next")))
        note_attempt(name)
        record("Sign-in refused", name, actor="somebody")
        db.session.commit()
        form.password.errors = ["No active account has this e-mail and password."]
    return render_template("portal/sign_in.html", form=form)


def _is_password_of(user: User | None, password: str) -> bool:
    if user is None or user.password_hash is None:
        check_password_hash(_NOBODYS, password)
        return False
    return user.has_password(password)


def _own_path(target: str | None) -> str:
    """Return where to go after signing in: a path of ours, never another site."""
    if target and _OWN_PATH.fullmatch(target):
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

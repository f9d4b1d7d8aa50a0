"""Render the installed package's pages and call its endpoint; run it away from the checkout."""

import re
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask_login import LoginManager, UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import flask_scim_provisioning
from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields

db = SQLAlchemy(model_class=type("Base", (DeclarativeBase,), {}))
member = sa.Table(
    "member",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    """A user of the smallest portal."""

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(db.Model):
    """A team of the smallest portal."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=member)


class Administrator(UserMixin):
    """Who looks at the pages."""

    id = "administrator"


class PortalUser(UserSchema):
    """A name and a state."""

    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    """A name and members."""

    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


def check(condition: object, message: str) -> None:
    """Stop with a sentence when something isn't as it should be."""
    if not condition:
        raise SystemExit(message)


def main() -> None:
    """Go through the pages as an administrator would."""
    package = Path(flask_scim_provisioning.__file__).resolve()
    check("site-packages" in package.parts, f"{package} is no installation")
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="not secret", SQLALCHEMY_DATABASE_URI="sqlite://", WTF_CSRF_ENABLED=False
    )
    db.init_app(app)
    LoginManager(app).request_loader(lambda _request: Administrator())
    Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup).init_app(
        app, admin_required=lambda: True
    )
    with app.app_context():
        db.create_all()
    browser = app.test_client()
    page = browser.get("/provisioning/", follow_redirects=True)
    check(page.status_code == 200, f"the first page answers {page.status}")
    assets = re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg)[^"]*)"', page.text)
    check(assets, "the page links no style sheet")
    for asset in assets:
        check(browser.get(asset).status_code == 200, f"{asset} is missing")
    with app.test_request_context():
        form = app.url_for("scim_console.create")
    check(browser.get(form).status_code == 200, "the form doesn't render")
    created = browser.post(
        form, data={"name": "Entra", "description": "", "type": "scim-2.0", "dialect": "entra"}
    )
    endpoint = re.search(r"http://localhost(/api/v1/[^\"<\s]+/scim/v2)", created.text)
    token = re.search(r"scim_[A-Za-z0-9_-]{100,}", created.text)
    check(endpoint and token, "creating an integration shows no endpoint and token")
    assert endpoint is not None  # noqa: S101 - check() has just made sure; this is for mypy
    assert token is not None  # noqa: S101 - as above
    users = browser.get(f"{endpoint[1]}/Users", headers={"Authorization": f"Bearer {token[0]}"})
    check(users.status_code == 200, f"the endpoint answers {users.status}: {users.text}")
    print(f"{len(assets)} files, 3 pages and the endpoint of {package.parent} are in order.")


if __name__ == "__main__":
    main()

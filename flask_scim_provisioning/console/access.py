"""Who may see the console: those whom the host names, and nobody if it names none."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa
from flask import current_app, render_template
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user
from sqlalchemy.orm import Session

from ..models import Models
from ..state import current_provisioning

__all__ = ["acting_administrator", "caller", "refuse_others"]

_EXAMPLE = """provisioning.init_app(
    app, admin_required=lambda: current_user.is_admin
)"""


def refuse_others() -> ResponseReturnValue | None:
    """Let administrators through; answer everybody else.

    Who isn't signed in goes where the host's Flask-Login sends them. A token of SCIM opens nothing
    here, because only the host's session is asked.
    """
    login_manager = _login_manager()
    if login_manager is not None and not current_user.is_authenticated:
        return cast("ResponseReturnValue", login_manager.unauthorized())
    admin_required = current_provisioning.admin_required
    if admin_required is None:
        return _refusal(
            title="Nobody may open this page yet",
            paragraphs=[
                "The portal has not said who its administrators are. Its developers do that where "
                "they register the extension, with a function that returns true for them:"
            ],
            example=_EXAMPLE,
        )
    if not admin_required():
        return _refusal(
            title="This page is for administrators",
            paragraphs=[
                "Your account may not manage provisioning. Ask an administrator of the portal."
            ],
        )
    return None


def acting_administrator() -> str | None:
    """Return who acts, for the activity log: the user name, or what Flask-Login has for an id."""
    if _login_manager() is None:
        return None
    users = current_provisioning.mappings["Users"]
    slot = users.bindings[users.lookup_key].slot(None)
    column = None if slot is None else slot.expression
    # Not every host has one column for it: it may be computed, or live in another table.
    if (
        isinstance(current_user, users.model)
        and isinstance(column, sa.Column)
        and users.table.mapper.columns.contains_column(column)
    ):
        return str(getattr(current_user, users.table.mapper.get_property_by_column(column).key))
    return cast("str | None", current_user.get_id())


def caller() -> tuple[Session, Models, str]:
    """Return what every use case is given: the session, the tables, and the tenant of the pages."""
    state = current_provisioning
    return state.session, state.models, state.tenant()


def _login_manager() -> LoginManager | None:
    return getattr(current_app, "login_manager", None)


def _refusal(
    *, title: str, paragraphs: list[str], example: str | None = None
) -> ResponseReturnValue:
    page = render_template(
        "scim_provisioning/error.html",
        title=title,
        symbol="shield",
        paragraphs=paragraphs,
        example=example,
        back=None,
    )
    return page, 403

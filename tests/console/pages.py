"""An administrator with a browser, for tests of the pages."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

from werkzeug.test import TestResponse

from flask_scim_provisioning.services import activity, tokens

from ..portal import Portal

__all__ = ["HOSTILE", "Admin", "text_of"]

HOSTILE = "<script>alert('x')</script> \"&amp; {{ 7919 * 7907 }}"

_TOKEN = re.compile(r"scim_[0-9A-Za-z]{16}_[0-9A-Za-z]{178}")
_CSRF = re.compile(r'name="csrf_token" type="hidden" value="([^"]+)"')


def text_of(response: TestResponse) -> str:
    """Return what a reader sees: without tags, entities as characters, blanks single."""
    without_tags = re.sub(r"<[^>]*>", " ", response.text)
    return " ".join(html.unescape(without_tags).split())


class Admin:
    """Opens pages and sends forms, as a browser does."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.app = portal.app
        user = portal.add(portal.models.User(username="ada", is_admin=True))
        self.browser = portal.sign_in(user)
        self.id = str(portal.integration.id)

    @property
    def state(self) -> Any:
        """What the application keeps."""
        return self.app.extensions["scim_provisioning"]

    def change_state(self, **values: Any) -> None:
        """Register the extension with other arguments."""
        self.app.extensions["scim_provisioning"] = replace(self.state, **values)

    def url(self, path: str = "/") -> str:
        """Return the URL of a page; ``{id}`` stands for the portal's integration."""
        return f"/provisioning{path.format(id=self.id)}"

    def get(self, path: str = "/") -> TestResponse:
        """Open a page."""
        return self.browser.get(self.url(path))

    def csrf_token(self, path: str) -> str:
        """Return the CSRF token of the forms on a page."""
        found = _CSRF.search(self.get(path).text)
        assert found, f"there is no form on {path}"
        return found[1]

    def send(self, path: str, *, page: str | None = None, **fields: str) -> TestResponse:
        """Send the form of a page, with its CSRF token.

        :param page: the page that has the form, where it isn't the form's own address.
        """
        token = self.csrf_token(page or path)
        return self.browser.post(self.url(path), data={"csrf_token": token, **fields})

    def create(self, **fields: str) -> TestResponse:
        """Send the form that creates an integration."""
        usual = {"name": "Contoso", "description": "", "type": "scim-2.0", "dialect": "entra"}
        return self.send("/new", **(usual | fields))

    def rotate(self, overlap: str = "1d") -> TestResponse:
        """Make a new token, as the page offers it."""
        page = self.get("/{id}/rotate").text
        newest = re.search(r'name="newest" type="hidden" value="([^"]*)"', page)
        assert newest
        return self.send("/{id}/rotate", newest=newest[1], overlap=overlap, expires="portal")

    def shown_token(self, response: TestResponse) -> str:
        """Return the one token that a page shows."""
        found = _TOKEN.findall(response.text)
        assert len(found) == 1, f"the page shows {len(found)} tokens"
        return str(found[0])

    def shows_token(self, response: TestResponse) -> bool:
        """Say whether there is a token anywhere in an answer."""
        return bool(_TOKEN.search(response.text) or _TOKEN.search(str(response.headers)))

    def opens(self, token: str, integration_id: str | None = None) -> bool:
        """Say whether a token opens the endpoint of an integration."""
        from flask_scim_provisioning.scim.errors import ScimError

        arguments = (self.portal.session, self.state.models, token, "main")
        try:
            tokens.authenticate(*arguments, integration_id or self.id)
        except ScimError:
            return False
        return True

    def actions(self) -> list[str]:
        """Return what the activity log tells of the portal's integration, newest first."""
        entries = activity.recent(
            self.portal.session, self.state.models, self.portal.integration.id
        )
        return [entry.action for entry in entries]

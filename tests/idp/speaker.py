"""An identity provider that sends bodies as they are printed or logged, and looks at the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from werkzeug.test import TestResponse

from tests.client import ScimClient
from tests.portal import Portal

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
NOBODY = "7d420df3-0000-0000-0000-000000000000"

_HERE = Path(__file__).parent
_HEADERS = {
    "entra": {"ADSCIMVersion": "6.0"},
    "okta": {
        "Accept": "application/scim+json",
        "Accept-Charset": "utf-8",
        "Accept-Encoding": "gzip,deflate",
        "User-Agent": "Okta SCIM Client 1.0.0",
    },
}


def payloads(provider: str) -> Mapping[str, list[Any]]:
    """Return the numbered bodies of a provider; a number may have several."""
    found: dict[str, list[Any]] = json.loads((_HERE / f"{provider}_payloads.json").read_text())
    return found


def with_ids(body: Any, names: Mapping[str, str]) -> Any:
    """Return a body with the ids of this portal where the document has its own."""
    text = json.dumps(body)
    for name, own in names.items():
        text = text.replace(name, own)
    return json.loads(text)


@dataclass
class Speaker:
    """One identity provider, connected to one portal.

    :ivar portal: the host, whose rows tell what became of a request.
    """

    portal: Portal
    client: ScimClient
    provider: str

    def with_no_token(self) -> Speaker:
        """Return the same provider before anybody gave it a token."""
        return Speaker(self.portal, self.client.with_token(None), self.provider)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = "application/scim+json; charset=utf-8",
    ) -> TestResponse:
        """Send one request; the path may have a query as it stands in a log."""
        sent = {**_HEADERS.get(self.provider, {}), **(headers or {})}
        return self.client.request(method, path, body, headers=sent, content_type=content_type)

    def payload(self, number: str, part: int = 1, **names: str) -> Any:
        """Return a numbered body; ``names`` are put where the document has ids of its own."""
        return with_ids(payloads(self.provider)[number][part - 1], names)

    def post(self, body: Any, path: str = "/Users") -> dict[str, Any]:
        """Create, and return the resource."""
        answer = self.send("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def user(self, name: str = "bjensen@contoso.com", /, **attributes: Any) -> str:
        """Create a user and return the id."""
        return str(self.post({"userName": name, "active": True, **attributes})["id"])

    def group(self, name: str, *members: str) -> str:
        """Create a group and return the id."""
        listed = [{"value": member} for member in members]
        return str(self.post({"displayName": name, "members": listed}, "/Groups")["id"])

    def patch(self, path: str, body: Any, status: int | None = None) -> TestResponse:
        """PATCH with a whole body; users are answered with 200, groups with 204."""
        answer = self.send("PATCH", path, body)
        expected = status or (204 if path.startswith("/Groups") else 200)
        assert answer.status_code == expected, answer.text
        return answer

    def operate(self, path: str, *operations: Any, status: int | None = None) -> TestResponse:
        """PATCH with these operations."""
        return self.patch(path, {"schemas": [PATCH_OP], "Operations": list(operations)}, status)

    def read(self, path: str) -> dict[str, Any]:
        """GET, and return what is answered with 200."""
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def names(self, query: str, path: str = "/Users") -> list[str]:
        """Return what a search finds, by name."""
        page = self.read(f"{path}?{query}")
        assert page["totalResults"] == len(page["Resources"]) == page["itemsPerPage"]
        return [each.get("userName") or each["displayName"] for each in page["Resources"]]

    def team(self, name: str) -> list[str]:
        """Return who is in a team, by the host's rows."""
        table, user = self.portal.models.team_member, self.portal.models.User
        team = self.portal.models.Team
        return list(
            self.portal.session.scalars(
                sa.select(user.username)
                .join(table, table.c.user_id == user.id)
                .join(team, team.id == table.c.team_id)
                .where(team.name == name)
                .order_by(user.username)
            )
        )

    def rows(self) -> list[str]:
        """Return the names of the host's users."""
        user = self.portal.models.User
        return list(self.portal.session.scalars(sa.select(user.username).order_by(user.username)))

    def notes(self) -> list[str]:
        """Return the notes of the newest entry of the activity log."""
        entry = self.portal.app.extensions["scim_provisioning"].models.activity
        newest = sa.select(entry.notes).order_by(entry.id.desc()).limit(1)
        return list(self.portal.session.scalar(newest) or [])

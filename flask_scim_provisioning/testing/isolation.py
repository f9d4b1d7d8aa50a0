"""Who may ask: one integration's token opens nothing of another."""

from __future__ import annotations

import uuid

from flask import Flask

from ..services.integrations import disable_integration, enable_integration
from ..state import current_provisioning
from .base import PortalChecks, expect, missing, only_where, same
from .resources import quoted

__all__ = ["Isolation"]


class Isolation(PortalChecks):
    """Tokens, integrations and tenants."""

    def test_nobody_gets_in_without_the_token(self, portal: Flask) -> None:
        """RFC 7644 section 2: 401, the same for reading and writing."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        foreign = self.connect(portal).token
        for token in (None, "", "not-a-token", f"{scim.token}x", str(uuid.uuid4()), foreign):
            stranger = scim.with_token(token)
            for answer in (
                stranger.get(path),
                stranger.get("/Users"),
                stranger.post("/Users", self.new_user(2)),
                stranger.put(path, self.renamed(self.new_user(1))),
                stranger.delete(path),
            ):
                expect(answer, 401, 403, 404)
        same(self.read(scim, path), user)
        name = f"userName eq {quoted(self.new_user(2)['userName'])}"
        same(self.found(scim, "/Users", name), [])

    def test_disabled_integration_answers_nobody(self, portal: Flask) -> None:
        """Neither reads nor writes; enabled again, everything is as it was."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        self._switch(portal, scim.base, on=False)
        for answer in (
            scim.get(path),
            scim.post("/Users", self.new_user(2)),
            scim.delete(path),
        ):
            expect(answer, 401, 403)
        self._switch(portal, scim.base, on=True)
        same(self.read(scim, path), user)

    def test_external_ids_are_each_integrations_own(self, portal: Flask) -> None:
        """RFC 7643 section 3.1: the identifier is scoped to the provisioning client."""
        one, two = self.connect(portal), self.connect(portal)
        user = self.create_user(one, 1)
        path = f"/Users/{user['id']}"
        external = f"externalId eq {quoted(user['externalId'])}"
        same(self.found(two, "/Users", external), [])
        missing("externalId", self.read(two, path))
        operation = {"op": "add", "path": "externalId", "value": "of the second"}
        expect(two.patch(path, [operation]), 200, 204)
        same(self.found(two, "/Users", 'externalId eq "of the second"'), [user["id"]])
        same(self.read(one, path).get("externalId"), user["externalId"])
        same(self.found(one, "/Users", external), [user["id"]])

    @only_where(lambda cls: cls.other_tenant is not None)
    def test_tenants_see_nothing_of_each_other(self, portal: Flask) -> None:
        """What is there for one tenant doesn't exist for the other."""
        one = self.connect(portal)
        two = self.connect(portal, tenant=self.other_tenant)
        user = self.create_user(one, 1)
        path = f"/Users/{user['id']}"
        for answer in (
            two.get(path),
            two.put(path, self.renamed(self.new_user(1))),
            two.patch(path, [{"op": "replace", "path": "active", "value": False}]),
            two.delete(path),
        ):
            expect(answer, 404)
        name = f"userName eq {quoted(user['userName'])}"
        same(self.found(two, "/Users", name), [])
        same(self.read(one, path), user)
        if self.groups == "writable":
            other = self.create_user(two, 2)["id"]
            group = self.create_group(one, 1, [user["id"]])["id"]
            expect(two.get(f"/Groups/{group}"), 404)
            adding = {"op": "add", "path": "members", "value": [{"value": other}]}
            expect(one.patch(f"/Groups/{group}", [adding]), 200, 204, 400)
            self.assert_members(one, group, [user["id"]])
            same(self.groups_of(two, other), [])

    def _switch(self, portal: Flask, base: str, *, on: bool) -> None:
        integration = base.split("/integrations/")[1].split("/")[0]
        switch = enable_integration if on else disable_integration
        with portal.app_context():
            state = current_provisioning
            switch(state.session, state.models, self.tenant, integration)

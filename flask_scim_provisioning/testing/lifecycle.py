"""People come, go, come back, and were there before."""

from __future__ import annotations

from flask import Flask

from .base import PortalChecks, expect, only_where, overridden, present, same
from .resources import lost, quoted, without

__all__ = ["Lifecycle"]


class Lifecycle(PortalChecks):
    """Deactivate, reactivate, delete, create again, take over."""

    def test_who_is_deactivated_is_shown_and_found_so(self, portal: Flask) -> None:
        """By GET, in a list and by a filter; and nobody else is."""
        scim = self.connect(portal)
        user, other = self.create_user(scim, 1)["id"], self.create_user(scim, 2)["id"]
        for active in (True, False, False, True):
            operation = {"op": "replace", "path": "active", "value": active}
            expect(scim.patch(f"/Users/{user}", [operation]), 200, 204)
            same(self.read(scim, f"/Users/{user}").get("active"), active)
            same(self.read(scim, f"/Users/{other}").get("active"), True)
            for value in (True, False):
                found = self.found(scim, "/Users", f"active eq {quoted(value)}")
                assert (user in found) is (active is value), f"active eq {value}: {found}"
                same(other in found, value)
            name = f"userName eq {quoted(self.new_user(1)['userName'])}"
            same(self.found(scim, "/Users", name), [user])
        created = expect(scim.post("/Users", dict(self.new_user(3), active=False)), 201)
        assert created.get("active") is False, "who is created inactive is active"
        same(self.read(scim, f"/Users/{created['id']}"), created)

    @only_where(overridden("may_sign_in"))
    def test_who_is_deactivated_stays_outside(self, portal: Flask) -> None:
        """The portal's own log-in page knows, whichever request said it."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path, name = f"/Users/{user['id']}", user["userName"]
        assert self.may_sign_in(portal, name) is True, "who is new can't sign in"
        for active in (False, True):
            operation = {"op": "replace", "path": "active", "value": active}
            expect(scim.patch(path, [operation]), 200, 204)
            assert self.may_sign_in(portal, name) is active, f"after PATCH active: {active}"
        for active in (False, True):
            expect(scim.put(path, dict(self.new_user(1), active=active)), 200)
            assert self.may_sign_in(portal, name) is active, f"after PUT active: {active}"
        expect(scim.delete(path), 204)
        assert self.may_sign_in(portal, name) is False, "who was deleted can sign in"
        self.create_user(scim, 1)
        assert self.may_sign_in(portal, name) is True, "who is back can't sign in"

    def test_who_was_deleted_can_come_back(self, portal: Flask) -> None:
        """Under the same name, active, with nothing of what was said before the deletion."""
        scim = self.connect(portal)
        old = expect(scim.post("/Users", self.renamed(self.new_user(1))), 201)
        expect(scim.delete(f"/Users/{old['id']}"), 204)
        if self.on_existing == "refuse":
            expect(scim.post("/Users", self.new_user(1)), 201, 409)
            return
        new = self.create_user(scim, 1)
        path = f"/Users/{new['id']}"
        self.assert_kept(scim, new["id"], self.new_user(1))
        same(self.read(scim, path).get("active"), True)
        name = f"userName eq {quoted(new['userName'])}"
        same(self.found(scim, "/Users", name), [new["id"]])
        if old["id"] != new["id"]:
            expect(scim.get(f"/Users/{old['id']}"), 404)
        expect(scim.delete(path), 204)
        expect(scim.get(path), 404)

    @only_where(overridden("existing_user"))
    def test_who_was_there_before_is_found(self, portal: Flask) -> None:
        """By the name, with an id that stays; and is changed like anybody else."""
        scim = self.connect(portal)
        self.create_user(scim, 2)
        name = self.existing_user(portal, 1)
        found = self.found(scim, "/Users", f"userName eq {quoted(name)}")
        assert len(found) == 1, f"the filter finds {len(found)} of {name}"
        (user,) = found
        read = self.read(scim, f"/Users/{user}")
        same((read["id"], read["userName"].lower()), (user, name.lower()))
        same(self.found(scim, "/Users", f"userName eq {quoted(name.upper())}"), [user])
        operation = {"op": "replace", "path": "externalId", "value": "known"}
        expect(scim.patch(f"/Users/{user}", [operation]), 200, 204)
        after = self.read(scim, f"/Users/{user}")
        same(after.get("externalId"), "known")
        assert without(after, "externalId", "meta") == without(read, "externalId", "meta")

    @only_where(overridden("existing_user"))
    def test_who_was_there_before_is_taken_over_or_refused(self, portal: Flask) -> None:
        """A create of the same name makes no second person, as ``Meta.on_existing`` says."""
        scim = self.connect(portal)
        name = self.existing_user(portal, 1)
        body = dict(self.new_user(1), userName=name)
        if self.on_existing == "refuse":
            expect(scim.post("/Users", body), 409, scim_type="uniqueness")
            same(len(self.found(scim, "/Users", f"userName eq {quoted(name)}")), 1)
            return
        created = expect(scim.post("/Users", body), 201)
        found = self.found(scim, "/Users", f"userName eq {quoted(name)}")
        assert found == [created["id"]], f"{name} is there {len(found)} times"
        gone = lost(body, created, self.users_of(scim))
        assert gone == [], f"lost by taking somebody over: {gone}"

    @only_where(lambda cls: cls.groups != "none" and overridden("existing_group")(cls))
    def test_groups_that_were_there_before_are_found(self, portal: Flask) -> None:
        """By the name, with an id that stays."""
        scim = self.connect(portal)
        name = self.existing_group(portal, 1)
        found = self.found(scim, "/Groups", f"displayName eq {quoted(name)}")
        assert len(found) == 1, f"the filter finds {len(found)} of {name}"
        (group,) = found
        read = self.read(scim, f"/Groups/{group}")
        same((read["id"], read["displayName"]), (group, name))
        present(group, [each["id"] for each in self.read(scim, "/Groups")["Resources"]])
        same(self.read(scim, f"/Groups/{group}"), read)

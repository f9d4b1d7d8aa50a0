"""RFC 7643 and 7644: what any client may rely on."""

from __future__ import annotations

import uuid

from flask import Flask

from .base import PortalChecks, expect, missing, only_where, present, same, writable_groups
from .resources import Described, lost, quoted, without

__all__ = ["Conformance"]


class Conformance(PortalChecks):
    """Create, get, list, filter, replace, patch, delete, discovery and errors."""

    def test_discovery_tells_what_is_there(self, portal: Flask) -> None:
        """RFC 7644 section 4: each type has an endpoint that answers and a schema that is told."""
        scim = self.connect(portal)
        assert "patch" in self.read(scim, "/ServiceProviderConfig")
        schemas = {each["id"] for each in self.read(scim, "/Schemas")["Resources"]}
        types = self.read(scim, "/ResourceTypes")["Resources"]
        for each in types:
            assert each["schema"] in schemas, f"/Schemas lacks {each['schema']}"
            self.read(scim, each["endpoint"])
        names = {each["name"] for each in types}
        offered = {"User"} if self.groups == "none" else {"User", "Group"}
        assert names == offered, f"/ResourceTypes names {names}, not {offered}"
        if self.groups == "none":
            expect(scim.get("/Groups"), 404)
            expect(scim.post("/Groups", self.new_group(1)), 404)

    def test_created_user_is_answered_as_it_is_read(self, portal: Flask) -> None:
        """RFC 7644 section 3.3: 201 with the whole resource and its location."""
        scim = self.connect(portal)
        answer = scim.post("/Users", self.new_user(1))
        created = expect(answer, 201)
        same(created["meta"]["resourceType"], "User")
        same(answer.headers["Location"], created["meta"]["location"])
        path = f"{scim.base}/Users/{created['id']}"
        assert created["meta"]["location"].endswith(path), created["meta"]
        read = self.read(scim, f"/Users/{created['id']}")
        assert read == created, f"read back as {read}, and answered as {created}"

    def test_list_holds_each_user_once(self, portal: Flask) -> None:
        """RFC 7644 section 3.4.2.4: pages by ``startIndex`` neither lose nor repeat anybody."""
        scim = self.connect(portal)
        created = self.create_users(scim, 1, 2, 3, 4, 5)
        seen: list[str] = []
        total = self.read(scim, "/Users", count=0)["totalResults"]
        while len(seen) < total:
            page = self.read(scim, "/Users", startIndex=len(seen) + 1, count=2)
            same(page["totalResults"], total)
            assert page["Resources"], f"the page from {len(seen) + 1} on is empty"
            seen += [each["id"] for each in page["Resources"]]
        assert len(set(seen)) == len(seen), "somebody is listed twice"
        assert set(created) <= set(seen), "somebody isn't listed"

    def test_answers_hold_what_is_asked_for(self, portal: Flask) -> None:
        """RFC 7644 section 3.9: ``attributes`` and ``excludedAttributes``."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        few = self.read(scim, path, attributes="userName")
        assert set(few) == {"schemas", "id", "userName"}, f"asked for userName: {few}"
        rest = self.read(scim, path, excludedAttributes="externalId")
        assert rest == without(user, "externalId"), f"asked for all but externalId: {rest}"

    def test_users_are_sorted(self, portal: Flask) -> None:
        """RFC 7644 section 3.4.2.3, where the service says that it sorts."""
        scim = self.connect(portal)
        created = self.create_users(scim, 3, 1, 2)
        if not self.read(scim, "/ServiceProviderConfig")["sort"]["supported"]:
            expect(scim.get("/Users", sortBy="userName"), 200, 400, 501)
            return
        for order, expected in (
            ("ascending", [created[1], created[2], created[0]]),
            ("descending", [created[0], created[2], created[1]]),
        ):
            page = self.read(scim, "/Users", sortBy="userName", sortOrder=order)["Resources"]
            ids = [each["id"] for each in page if each["id"] in created]
            assert ids == expected, f"{order} by userName: {[each['userName'] for each in page]}"

    def test_replaced_user_is_read_back(self, portal: Flask) -> None:
        """RFC 7644 section 3.5.1: the answer of a PUT is the resource as it is from then on."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        body = self.renamed(self.new_user(1))
        replaced = expect(scim.put(path, body), 200)
        same(replaced, self.read(scim, path))
        assert (lost_ := lost(body, replaced, self.users_of(scim))) == [], f"lost by PUT: {lost_}"
        again = expect(scim.put(path, body), 200)
        assert again == replaced, f"the same PUT again changed {replaced} to {again}"

    def test_deleted_user_is_gone(self, portal: Flask) -> None:
        """RFC 7644 section 3.6: 404 afterwards, and neither listed nor found."""
        scim = self.connect(portal)
        user, other = self.create_user(scim, 1), self.create_user(scim, 2)
        path = f"/Users/{user['id']}"
        expect(scim.delete(path), 204)
        expect(scim.get(path), 404)
        expect(scim.delete(path), 404)
        expect(scim.put(path, self.new_user(1)), 404)
        operation = {"op": "replace", "path": "active", "value": True}
        expect(scim.patch(path, [operation]), 404)
        listed = {each["id"] for each in self.read(scim, "/Users")["Resources"]}
        assert user["id"] not in listed, "who was deleted is listed"
        assert other["id"] in listed, "somebody else was deleted as well"
        same(self.found(scim, "/Users", f"id eq {quoted(user['id'])}"), [])
        same(self.read(scim, f"/Users/{other['id']}"), other)

    def test_name_is_taken_once(self, portal: Flask) -> None:
        """RFC 7643 section 4.1.1: ``userName`` is unique, without regard to case."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        shouted = dict(self.new_user(2), userName=user["userName"].upper())
        for body in (self.new_user(1), shouted):
            expect(scim.post("/Users", body), 409, scim_type="uniqueness")
        other = self.create_user(scim, 3)
        taking = {"op": "replace", "path": "userName", "value": user["userName"]}
        expect(scim.patch(f"/Users/{other['id']}", [taking]), 409, scim_type="uniqueness")
        same(self.read(scim, f"/Users/{other['id']}"), other)
        same(self.read(scim, f"/Users/{user['id']}"), user)
        name = f"userName eq {quoted(user['userName'])}"
        same(self.found(scim, "/Users", name), [user["id"]])

    def test_refused_change_changes_nothing(self, portal: Flask) -> None:
        """RFC 7644 section 3.5.2: a PATCH is atomic."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        named = {"op": "replace", "path": "externalId", "value": "another"}
        for wrong in (
            {"op": "replace", "path": "userName", "value": {"not": "a string"}},
            {"op": "remove", "path": "userName"},
            {"op": "remove"},
            {"op": "replace", "path": "id", "value": "mine"},
            {"op": "replace", "path": "noSuchAttribute", "value": "any"},
            {"op": "replace", "path": "name[", "value": "any"},
        ):
            expect(scim.patch(path, [named, wrong]), 400)
            read = self.read(scim, path)
            assert read == user, f"refused for {wrong}, and changed to {read}"

    def test_errors_say_what_is_wrong(self, portal: Flask) -> None:
        """RFC 7644 section 3.12."""
        scim = self.connect(portal)
        nobody = f"/Users/{uuid.uuid4()}"
        expect(scim.get(nobody), 404)
        expect(scim.get("/Users/not-an-id"), 404)
        expect(scim.put(nobody, self.new_user(1)), 404)
        expect(scim.get("/Users", filter="userName eq"), 400, scim_type="invalidFilter")
        expect(scim.post("/Users", b"{"), 400, scim_type="invalidSyntax")
        expect(scim.post("/Users", without(self.new_user(1), "userName")), 400)
        expect(scim.post("/Users", dict(self.new_user(1), userName=None)), 400)
        expect(scim.post("/Users", dict(self.new_user(1), active="perhaps")), 400)
        name = f"userName eq {quoted(self.new_user(1)['userName'])}"
        assert self.found(scim, "/Users", name) == [], "who was refused is there"

    def test_stale_version_is_refused(self, portal: Flask) -> None:
        """RFC 7644 section 3.14, where the service says that it has versions."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        if not self.read(scim, "/ServiceProviderConfig")["etag"]["supported"]:
            assert "version" not in user["meta"], "a version, and no support for it"
            return
        old = user["meta"]["version"]
        current = expect(scim.put(path, self.renamed(self.new_user(1))), 200)
        assert current["meta"]["version"] != old, "it changed, and its version didn't"
        expect(scim.put(path, self.new_user(1), headers={"If-Match": old}), 412)
        same(self.read(scim, path), current)
        version = {"If-None-Match": current["meta"]["version"]}
        same(scim.get(path, headers=version).status_code, 304)

    @only_where(writable_groups)
    def test_group_is_created_replaced_and_deleted(self, portal: Flask) -> None:
        """The same for groups, without members."""
        scim = self.connect(portal)
        described = Described.of(scim, "Group")
        assert described is not None, "/ResourceTypes doesn't name Group"
        group, other = self.create_group(scim, 1), self.create_group(scim, 2)
        path = f"/Groups/{group['id']}"
        same(self.read(scim, path), group)
        assert (lost_ := lost(self.new_group(1), group, described)) == [], f"lost: {lost_}"
        body = self.renamed_group(self.new_group(1))
        replaced = expect(scim.put(path, body), 200)
        same(replaced, self.read(scim, path))
        assert (lost_ := lost(body, replaced, described)) == [], f"lost by PUT: {lost_}"
        expected = {group["displayName"]: [], body["displayName"]: [group["id"]]}
        for name, found in expected.items():
            same(self.found(scim, "/Groups", f"displayName eq {quoted(name)}"), found)
        taken = dict(self.new_group(3), displayName=other["displayName"])
        expect(scim.post("/Groups", taken), 409, scim_type="uniqueness")
        expect(scim.delete(path), 204)
        expect(scim.get(path), 404)
        expect(scim.delete(path), 404)
        listed = [each["id"] for each in self.read(scim, "/Groups")["Resources"]]
        missing(group["id"], listed)
        present(other["id"], listed)

"""What was written is read back, and filters agree with what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from .base import PortalChecks, expect, missing, same
from .client import ScimClient
from .resources import Path, changes, leaves, lost, quoted, shown

__all__ = ["RoundTrip"]

_SAMPLES = {
    "locale": "en-GB",
    "preferredLanguage": "en",
    "profileUrl": "https://contract.example/ada",
    "timezone": "Europe/London",
}
_ELSEWHERE = ("userName", "$ref")
"""What other checks change, and what the service makes of ``value`` (RFC 7643 section 2.4)."""


def operations(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the PATCH between two states: one replace with a path for each attribute."""
    return [
        {"op": "replace", "path": shown(path), "value": value}
        for path, value in changes(before, after)
    ]


class RoundTrip(PortalChecks):
    """An identity provider that doesn't read what it wrote tries again for ever."""

    def test_what_was_created_is_read_back(self, portal: Flask) -> None:
        """Every attribute of the new user that the portal's ``/Schemas`` lets a client write."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        described = self.users_of(scim)
        for name, read in (
            ("the answer", user),
            ("a GET", self.read(scim, f"/Users/{user['id']}")),
            ("a list", self.read(scim, "/Users", filter=_is(user))["Resources"][0]),
            ("another client", self.read(self.connect(portal), f"/Users/{user['id']}")),
        ):
            sent = self.new_user(1)
            if name == "another client":
                # RFC 7643 section 3.1: the externalId is the first client's own.
                sent.pop("externalId", None)
            found = lost(sent, read, described)
            assert found == [], f"lost in {name}: {found}"

    def test_what_was_patched_is_read_back(self, portal: Flask) -> None:
        """So is each attribute that a PATCH changes, and the same PATCH again changes nothing."""
        scim = self.connect(portal)
        user, other = self.create_user(scim, 1), self.create_user(scim, 2)
        path = f"/Users/{user['id']}"
        after = self.renamed(self.new_user(1))
        patch = self._writable(scim, operations(self.new_user(1), after))
        assert patch, "override renamed: it changes nothing that can be written"
        expect(scim.patch(path, patch), 200, 204)
        read = self.read(scim, path)
        found = lost(after, read, self.users_of(scim))
        assert found == [], f"lost by PATCH: {found}"
        expect(scim.patch(path, patch), 200, 204)
        again = self.read(scim, path)
        assert again == read, f"the same PATCH again changed {read} to {again}"
        assert self.read(scim, f"/Users/{other['id']}") == other, "somebody else changed as well"

    def test_every_attribute_is_written_or_refused(self, portal: Flask) -> None:
        """Nothing that is answered with success is lost, whatever a portal does with a value."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path, described = f"/Users/{user['id']}", self.users_of(scim)
        read = self.read(scim, path)
        for parts in described.simple():
            name, value = shown(parts), _SAMPLES.get(parts[-1], "Sample")
            if parts[-1] in _ELSEWHERE or not described.returned(*parts):
                continue
            before = read
            answer = scim.patch(path, [{"op": "replace", "path": name, "value": value}])
            read = self.read(scim, path)
            if not described.writable(*parts):
                expect(answer, 400, scim_type="mutability")
            if answer.status_code >= 400:
                expect(answer, 400)
                assert read == before, f"{name} was refused, and changed to {read}"
                continue
            expect(answer, 200, 204)
            found = dict(leaves(read)).get(parts)
            assert _equal(found, value), f"{name} was answered with success, and is {found!r}"

    def test_filters_agree_with_what_is_shown(self, portal: Flask) -> None:
        """RFC 7644 section 3.4.2.2: ``eq``, ``ne`` and ``pr`` of all that is shown of a user."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        others = [self.create_user(scim, n) for n in (2, 3)]
        self._assert_found_as_shown(scim, [user, *others])

    def test_filters_agree_with_what_is_shown_after_a_patch(self, portal: Flask) -> None:
        """The new value is found and the old one isn't, one attribute at a time."""
        scim = self.connect(portal)
        user, other = self.create_user(scim, 1), self.create_user(scim, 2)
        after = self.renamed(self.new_user(1))
        for operation in self._writable(scim, operations(self.new_user(1), after)):
            expect(scim.patch(f"/Users/{user['id']}", [operation]), 200, 204)
            current = self.read(scim, f"/Users/{user['id']}")
            self._assert_found_as_shown(scim, [current, other])
        expect(scim.put(f"/Users/{user['id']}", self.new_user(1)), 200)
        current = self.read(scim, f"/Users/{user['id']}")
        self._assert_found_as_shown(scim, [current, other])

    def test_elements_are_found_by_their_values(self, portal: Flask) -> None:
        """RFC 7644 section 3.4.2.2: each e-mail address that is shown finds its user."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        other = self.create_user(scim, 2)
        described = self.users_of(scim)
        for name, elements in user.items():
            if not isinstance(elements, list) or name in ("schemas", "groups"):
                continue
            for element in elements:
                if "value" not in element or described.find((name, "value")) is None:
                    continue
                value = quoted(element["value"])
                filters = [f"{name}.value eq {value}"]
                if "type" in element:
                    filters.append(
                        f"{name}[type eq {quoted(element['type'])} and value eq {value}]"
                    )
                if any(element["value"] == each.get("value") for each in other.get(name, ())):
                    expected = {user["id"], other["id"]}
                else:
                    expected = {user["id"]}
                for each in filters:
                    found = set(self.found(scim, "/Users", each))
                    assert found == expected, f"{each} finds {found} instead of {expected}"

    def test_removed_value_is_gone(self, portal: Flask) -> None:
        """RFC 7644 section 3.5.2.2: what isn't required can be removed, and isn't found then."""
        scim = self.connect(portal)
        user = self.create_user(scim, 1)
        path = f"/Users/{user['id']}"
        expect(scim.patch(path, [{"op": "remove", "path": "externalId"}]), 200, 204)
        missing("externalId", self.read(scim, path))
        external = f"externalId eq {quoted(self.new_user(1)['externalId'])}"
        same(self.found(scim, "/Users", external), [])
        for attribute in ("nickName", "title"):
            if not self.users_of(scim).writable(attribute) or attribute in self.new_user(1):
                continue
            title = {"op": "add", "path": attribute, "value": "Countess"}
            added = scim.patch(path, [title])
            if added.status_code == 400:
                continue  # the portal has values of its own for it
            same(self.read(scim, path).get(attribute), "Countess")
            expect(scim.patch(path, [{"op": "remove", "path": attribute}]), 200, 204)
            assert attribute not in self.read(scim, path), f"{attribute} was removed and is shown"
            same(self.found(scim, "/Users", f'{attribute} eq "Countess"'), [])

    def _writable(self, scim: ScimClient, patch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        described = self.users_of(scim)
        return [
            each
            for each in patch
            if each["path"] == "externalId" or described.writable(*_parts(each["path"]))
        ]

    def _assert_found_as_shown(self, scim: ScimClient, users: list[dict[str, Any]]) -> None:
        """Assert that each simple value finds those users who show it, and none of the others."""
        ids = {each["id"] for each in users}
        values = {each["id"]: dict(leaves(each)) for each in users}
        for path in sorted({path for found in values.values() for path in found}):
            name = shown(path)
            having = {each for each in ids if path in values[each]}
            present = ids & set(self.found(scim, "/Users", f"{name} pr"))
            assert present == having, f"{name} pr finds {present}, and {having} show it"
            value = values[min(having)][path]
            same = {each for each in having if _equal(values[each][path], value)}
            for filter_, expected in (
                (f"{name} eq {quoted(value)}", same),
                (f"not ({name} eq {quoted(value)})", ids - same),
            ):
                found = ids & set(self.found(scim, "/Users", filter_))
                assert found == expected, f"{filter_} finds {found} instead of {expected}"


def _is(user: Mapping[str, Any]) -> str:
    return f"id eq {quoted(user['id'])}"


def _parts(path: str) -> Path:
    """Return the parts of a path that :func:`shown` has put together."""
    if path.startswith("urn:"):
        urn, _, rest = path.rpartition(":")
        return (urn, *rest.split("."))
    return tuple(path.split("."))


def _equal(one: Any, other: Any) -> bool:
    """Compare as filters do: strings without regard to case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return bool(one == other)

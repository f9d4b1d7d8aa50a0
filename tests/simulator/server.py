"""A small SCIM server in memory, honest by default, for the simulator to talk to."""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import responses

BASE = "https://portal.test/api/v1/main/integrations/42/scim/v2"
TOKEN = "scim_secret-token-of-the-test"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATH = re.compile(
    r"(?:(?P<urn>urn:[\w:.\-]+):)?(?P<name>\w+)"
    r"(?:\[(?P<key>\w+) eq (?P<wanted>\"[^\"]*\"|true)\])?(?:\.(?P<sub>\w+))?"
)
Answer = tuple[int, dict[str, str], str]
Lie = Callable[["FakeServer", str, str, int, Any], tuple[int, Any]]


class Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class FakeServer:
    """Users and groups in two dictionaries.

    ``lie`` may change status and body of an answer before it is sent; ``forget`` names core user
    attributes the server has no place for; ``schemas`` is what it answers at /Schemas.
    """

    def __init__(self, *, lie: Lie | None = None, forget: tuple[str, ...] = ()) -> None:
        self.lie = lie
        self.forget = forget
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.schemas: list[dict[str, Any]] | None = None
        self.tokens: tuple[str, ...] = (TOKEN,)
        self.heard: Callable[[str], object] = str
        self.media_type = "application/scim+json"
        self.lock = threading.RLock()

    def local_user(self, user_name: str) -> str:
        """Somebody the portal had before any identity provider came."""
        return str(self.create(self.users, {"userName": user_name, "active": True})["id"])

    def mount(self, mocked: responses.RequestsMock) -> None:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            mocked.add_callback(method, re.compile(re.escape(BASE)), self.callback)

    def callback(self, request: Any) -> Answer:
        parts = urlsplit(request.url)
        path = parts.path.removeprefix(urlsplit(BASE).path)
        body = json.loads(request.body) if request.body else None
        with self.lock:
            self.requests.append((request.method, path, body))
            try:
                token = request.headers.get("Authorization", "").removeprefix("Bearer ")
                self.heard(token)
                if token not in self.tokens:
                    raise Refused(401, "The token is unknown.")
                status, answer = self.handle(
                    request.method, path, dict(parse_qsl(parts.query)), copy.deepcopy(body)
                )
            except Refused as error:
                status, answer = error.status, scim_error(error.status, str(error))
            answer = copy.deepcopy(answer)
            if self.lie is not None:
                status, answer = self.lie(self, request.method, path, status, answer)
        if isinstance(answer, str):
            return status, {"Content-Type": "text/html"}, answer
        text = "" if answer is None else json.dumps(answer)
        return status, {"Content-Type": self.media_type} if text else {}, text

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        _, endpoint, *rest = path.split("/")
        if endpoint == "Schemas" and self.schemas is not None:
            return 200, list_response(self.schemas, 1, len(self.schemas))
        if endpoint not in ("Users", "Groups"):
            raise Refused(404, "There is no such endpoint.")
        store = self.users if endpoint == "Users" else self.groups
        hidden = "members" if query.get("excludedAttributes") == "members" else ""
        if not rest:
            if method == "POST":
                return 201, self.create(store, body)
            found = [r for r in store.values() if matches(r, query.get("filter"))]
            start, count = int(query.get("startIndex", 1)), int(query.get("count", 100))
            page = [without(r, hidden) for r in found[start - 1 :][:count]]
            return 200, list_response(page, start, len(found))
        if rest[0] not in store:
            raise Refused(404, "There is no such resource.")
        resource = store[rest[0]]
        if method == "DELETE":
            del store[rest[0]]
            self.unreference(rest[0])
            return 204, None
        if method == "PUT":
            self.put(store, resource, body)
        if method == "PATCH":
            self.patch(store, resource, body)
            if store is self.groups:
                return 204, None
        return 200, without(resource, hidden)

    def create(self, store: dict[str, dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        resource: dict[str, Any] = {"id": str(uuid.uuid4())}
        self.fill(store, resource, body)
        store[resource["id"]] = resource
        return resource

    def put(self, store: dict[str, Any], resource: dict[str, Any], body: dict[str, Any]) -> None:
        changed = {"id": resource["id"]}
        self.fill(store, changed, body)
        resource.clear()
        resource.update(changed)

    def fill(self, store: dict[str, Any], resource: dict[str, Any], body: dict[str, Any]) -> None:
        kind, urn = ("User", USER) if store is self.users else ("Group", GROUP)
        dropped = {"password", "groups", "roles", "meta", "id", "schemas", *self.forget}
        resource |= {name: value for name, value in body.items() if name not in dropped}
        if store is self.users:
            resource["active"] = boolean(resource.get("active", True))
            for name in ("emails", "phoneNumbers", "addresses"):
                for element in resource.get(name, ()):
                    if "primary" in element:
                        element["primary"] = boolean(element["primary"])
            manager = resource.get(ENTERPRISE, {}).get("manager")
            if isinstance(manager, str):
                resource[ENTERPRISE]["manager"] = {"value": manager}
        else:
            members = [{"value": m["value"]} for m in resource.get("members", ())]
            self.refuse_strangers([member["value"] for member in members])
            resource["members"] = members
        resource["schemas"] = [urn, *([ENTERPRISE] if ENTERPRISE in resource else [])]
        location = f"{BASE}/{kind}s/{resource['id']}"
        resource["meta"] = {"resourceType": kind, "location": location}
        self.refuse_duplicate(store, resource)

    def refuse_duplicate(self, store: dict[str, Any], resource: dict[str, Any]) -> None:
        name = "userName" if store is self.users else "displayName"
        for other in store.values():
            same = other[name].lower() == resource[name].lower()
            if same and other["id"] != resource["id"]:
                raise Refused(409, f"{name} is in use.")

    def patch(self, store: dict[str, Any], resource: dict[str, Any], body: dict[str, Any]) -> None:
        changed = copy.deepcopy(resource)
        for operation in body["Operations"]:
            op, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
            if path is not None:
                self.apply(changed, op, path, value)
                continue
            for key, inner in value.items():
                if key == ENTERPRISE:
                    for name, leaf in inner.items():
                        self.apply(changed, op, f"{ENTERPRISE}:{name}", leaf)
                elif key not in ("id", "schemas", "meta", "password", "groups"):
                    self.apply(changed, op, key, inner)
        if ENTERPRISE in changed:
            changed["schemas"] = [changed["schemas"][0], ENTERPRISE]
        self.refuse_duplicate(store, changed)
        resource.clear()
        resource.update(changed)

    def apply(self, resource: dict[str, Any], op: str, path: str, value: Any) -> None:
        shape = PATH.fullmatch(path)
        if shape is None:
            raise Refused(400, f"{path} is no path.")
        urn, name, sub = shape["urn"], shape["name"], shape["sub"]
        if name in self.forget:
            return
        if name == "members":
            self.change_members(resource, op, shape["wanted"], value)
            return
        if name == "manager":
            urn, op = ENTERPRISE, "remove" if shape["key"] else op
            if isinstance(value, dict):
                value = value.get("value")
            value = {"value": value} if value else None
        elif name == "active":
            value = boolean(value)
        holder = resource.setdefault(urn, {}) if urn else resource
        if shape["key"] and name != "manager":
            wanted: Any = True if shape["wanted"] == "true" else shape["wanted"].strip('"')
            wanted = boolean(wanted) if shape["key"] == "primary" else wanted
            elements = holder.setdefault(name, [])
            holder = next((e for e in elements if e.get(shape["key"]) == wanted), None)
            if holder is None:
                holder = {shape["key"]: wanted}
                elements.append(holder)
            name, sub = sub, None
        if sub:
            holder, name = holder.setdefault(name, {}), sub
        if op == "remove" or value in ("", None):
            holder.pop(name, None)
        elif isinstance(value, dict) and isinstance(holder.get(name), dict):
            holder[name] |= value
        else:
            holder[name] = value

    def change_members(
        self, resource: dict[str, Any], op: str, wanted: str | None, value: Any
    ) -> None:
        ids = [member["value"] for member in resource["members"]]
        value = [{"value": value}] if isinstance(value, str) else value
        named = [wanted.strip('"')] if wanted else [member["value"] for member in value or ()]
        if op != "remove":
            self.refuse_strangers(named)
        if op == "remove":
            ids = [member for member in ids if member not in named]
        elif op == "replace":
            ids = named
        else:
            ids += [member for member in named if member not in ids]
        resource["members"] = [{"value": member} for member in ids]

    def refuse_strangers(self, ids: list[str]) -> None:
        if not self.users.keys() >= set(ids):
            raise Refused(400, "A member is no user.")

    def unreference(self, gone: str) -> None:
        for group in self.groups.values():
            group["members"] = [m for m in group["members"] if m["value"] != gone]
        for user in self.users.values():
            if user.get(ENTERPRISE, {}).get("manager", {}).get("value") == gone:
                del user[ENTERPRISE]["manager"]


def matches(resource: dict[str, Any], text: str | None) -> bool:
    if text is None:
        return True
    for clause in text.split(" and ") if text.startswith("id eq ") else [text]:
        path, _, literal = clause.partition(" eq ") if "[" not in clause else split_bracket(clause)
        wanted = json.loads(literal)
        if path == "manager":
            values = [resource.get(ENTERPRISE, {}).get("manager", {}).get("value")]
        elif path == "members":
            values = [member["value"] for member in resource["members"]]
        elif path == 'emails[type eq "work"].value':
            values = [e["value"] for e in resource.get("emails", ()) if e.get("type") == "work"]
        else:
            values = [resource.get(path)]
        if path in ("userName", "displayName"):
            values, wanted = [str(value).lower() for value in values], wanted.lower()
        if wanted not in values:
            return False
    return True


def split_bracket(clause: str) -> tuple[str, str, str]:
    path, _, rest = clause.partition("]")
    sub, _, literal = rest.partition(" eq ")
    return f"{path}]{sub}", " eq ", literal


def list_response(resources: list[dict[str, Any]], start: int, total: int) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def scim_error(status: int, detail: str) -> dict[str, Any]:
    schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"]
    return {"schemas": schemas, "status": str(status), "detail": detail}


def without(resource: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != name}


def boolean(value: Any) -> bool:
    return value.lower() == "true" if isinstance(value, str) else bool(value)

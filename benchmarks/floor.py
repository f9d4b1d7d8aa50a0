"""The practical limit: Flask, SQLAlchemy Core, hard-wired SQL and JSON, one token look-up.

It has the host's tables of ``benchmarks.ours`` and the least that SCIM needs beside them. It
checks nothing that a request of the benchmark doesn't need, writes no activity log and has no
mapping: what any Flask application has to spend on such a request.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, abort, g, request

from benchmarks import people
from benchmarks.databases import bulk_insert, engine_at

__all__ = ["create_app", "seed"]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

metadata = sa.MetaData()
users = sa.Table(
    "user",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("username", sa.String(255), nullable=False, unique=True),
    sa.Column("first_name", sa.String(100)),
    sa.Column("last_name", sa.String(100)),
    sa.Column("email", sa.String(255)),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("department", sa.String(100)),
    sa.Column("manager_id", sa.Integer, sa.ForeignKey("user.id")),
)
sa.Index("ix_user_username_lower", sa.func.lower(users.c.username), unique=True)
teams = sa.Table(
    "team",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
)
sa.Index("ix_team_name_lower", sa.func.lower(teams.c.name), unique=True)
team_member = sa.Table(
    "team_member",
    metadata,
    sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_team_member_user_id", "user_id"),
)
token = sa.Table(
    "token",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("integration_id", sa.String(36), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)


def _link_table(name: str, host: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "host_id", sa.ForeignKey(f"{host}.id", ondelete="CASCADE"), nullable=False, unique=True
        ),
        sa.Column("external_id", sa.String(255), index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("last_modified", sa.DateTime, nullable=False),
        sa.Column("stored", sa.JSON, nullable=False),
    )


user_link = _link_table("user_link", "user")
team_link = _link_table("team_link", "team")

_bind = sa.bindparam
_TOKEN = sa.select(token.c.integration_id, token.c.enabled).where(token.c.digest == _bind("digest"))
_USERS = sa.select(
    user_link.c.id,
    user_link.c.external_id,
    user_link.c.version,
    user_link.c.created,
    user_link.c.last_modified,
    user_link.c.stored,
    users.c.username,
    users.c.first_name,
    users.c.last_name,
    users.c.email,
    users.c.is_active,
    users.c.department,
).join_from(user_link, users)
_USER_BY = {
    "id": _USERS.where(user_link.c.id == _bind("value")),
    "userName": _USERS.where(sa.func.lower(users.c.username) == sa.func.lower(_bind("value"))),
    "externalId": _USERS.where(user_link.c.external_id == _bind("value")),
}
_USER_COUNT = sa.select(sa.func.count()).select_from(user_link)
_USER_PAGE = _USERS.order_by(users.c.id).limit(_bind("count")).offset(_bind("skip"))
_HOST_ID = {
    "user": sa.select(user_link.c.host_id).where(user_link.c.id == _bind("link")),
    "team": sa.select(team_link.c.host_id).where(team_link.c.id == _bind("link")),
}
_TOUCH = {
    table: table.update()
    .where(table.c.id == _bind("link"))
    .values(version=table.c.version + 1, last_modified=_bind("now"))
    for table in (user_link, team_link)
}
_PUT_LINK = (
    user_link.update()
    .where(user_link.c.id == _bind("link"))
    .values(
        version=user_link.c.version + 1,
        last_modified=_bind("now"),
        stored=_bind("attributes"),
        external_id=_bind("external"),
    )
)
_SET_ACTIVE = (
    users.update()
    .where(users.c.id == _HOST_ID["user"].scalar_subquery())
    .values(is_active=_bind("active"))
)
_PUT_USER = (
    users.update()
    .where(users.c.id == _HOST_ID["user"].scalar_subquery())
    .values(
        username=_bind("new_username"),
        first_name=_bind("new_first_name"),
        last_name=_bind("new_last_name"),
        email=_bind("new_email"),
        is_active=_bind("new_is_active"),
        department=_bind("new_department"),
    )
)
_GROUPS = sa.select(
    team_link.c.id,
    team_link.c.external_id,
    team_link.c.version,
    team_link.c.created,
    team_link.c.last_modified,
    teams.c.id.label("team_id"),
    teams.c.name,
).join_from(team_link, teams)
_GROUP_BY = {
    "id": _GROUPS.where(team_link.c.id == _bind("value")),
    "displayName": _GROUPS.where(sa.func.lower(teams.c.name) == sa.func.lower(_bind("value"))),
    "externalId": _GROUPS.where(team_link.c.external_id == _bind("value")),
}
_MEMBERS = (
    sa.select(user_link.c.id)
    .join_from(team_member, user_link, user_link.c.host_id == team_member.c.user_id)
    .where(team_member.c.team_id == _bind("team"))
)
_NAMED_USERS = sa.select(user_link.c.host_id).where(
    user_link.c.id.in_(_bind("named", expanding=True))
)
_REMOVE_MEMBERS = team_member.delete().where(
    team_member.c.team_id == _bind("team"), team_member.c.user_id.in_(_NAMED_USERS)
)
_ADD_MEMBERS = sa.text(
    "INSERT INTO team_member (team_id, user_id) SELECT :team, host_id FROM user_link"
    " WHERE id IN :named ON CONFLICT DO NOTHING"
).bindparams(_bind("named", expanding=True, type_=sa.String))
_NEW_USER = users.insert().returning(users.c.id)
_NEW_TEAM = teams.insert().returning(teams.c.id)

_EQUALS = re.compile(r'(\w+) eq "([^"]*)"', re.IGNORECASE)
_MEMBER_PATH = re.compile(r'members\[value eq "([^"]*)"\]', re.IGNORECASE)


def create_app() -> Flask:
    """Return the application over the database that ``BENCHMARK_DATABASE`` names."""
    app = Flask(__name__)
    engine = engine_at(os.environ["BENCHMARK_DATABASE"])
    base = f"/api/v1/{people.TENANT}/integrations/floor/scim/v2"

    def authenticate() -> None:
        bearer = request.headers.get("Authorization", "")
        digest = hashlib.sha256(bearer.removeprefix("Bearer ").encode()).digest()
        g.connection = engine.connect()
        found = g.connection.execute(_TOKEN, {"digest": digest}).first()
        if found is None or not found.enabled:
            abort(401)

    def close(_: BaseException | None) -> None:
        connection = g.pop("connection", None)
        if connection is not None:
            connection.close()

    app.before_request(authenticate)
    app.teardown_request(close)

    @app.get(f"{base}/ServiceProviderConfig")
    def service_provider_config() -> Response:
        return answer({"patch": {"supported": True}, "filter": {"supported": True}})

    @app.get(f"{base}/Users")
    def search_users() -> Response:
        if "filter" in request.args:
            name, value = named_value(request.args["filter"])
            found = g.connection.execute(_USER_BY[name], {"value": value}).all()
            return answer(page([user_resource(row) for row in found], len(found), 1))
        start, count = int(request.args.get("startIndex", 1)), int(request.args.get("count", 100))
        total = g.connection.execute(_USER_COUNT).scalar_one()
        rows = g.connection.execute(_USER_PAGE, {"count": count, "skip": start - 1})
        return answer(page([user_resource(row) for row in rows], total, start))

    @app.get(f"{base}/Users/<link>")
    def get_user(link: str) -> Response:
        return answer(user_resource(one(_USER_BY["id"], link)))

    @app.post(f"{base}/Users")
    def create_user() -> Response:
        body = request.get_json(force=True)
        row, attributes = user_columns(body)
        now, link = datetime.now(UTC).replace(tzinfo=None), str(uuid.uuid4())
        try:
            host_id = g.connection.execute(_NEW_USER, row).scalar_one()
        except sa.exc.IntegrityError:
            abort(409)
        g.connection.execute(
            user_link.insert(),
            {
                "id": link,
                "host_id": host_id,
                "external_id": body.get("externalId"),
                "version": 1,
                "created": now,
                "last_modified": now,
                "stored": attributes,
            },
        )
        created = one(_USER_BY["id"], link)
        g.connection.commit()
        return answer(user_resource(created), 201)

    @app.put(f"{base}/Users/<link>")
    def put_user(link: str) -> Response:
        body = request.get_json(force=True)
        row, attributes = user_columns(body)
        now = datetime.now(UTC).replace(tzinfo=None)
        values = {f"new_{name}": value for name, value in row.items()}
        g.connection.execute(_PUT_USER, {"link": link, **values})
        external = body.get("externalId")
        g.connection.execute(
            _PUT_LINK, {"link": link, "now": now, "attributes": attributes, "external": external}
        )
        written = one(_USER_BY["id"], link)
        g.connection.commit()
        return answer(user_resource(written))

    @app.patch(f"{base}/Users/<link>")
    def patch_user(link: str) -> Response:
        now = datetime.now(UTC).replace(tzinfo=None)
        for operation in request.get_json(force=True)["Operations"]:
            value = operation["value"]
            active = value["active"] if "path" not in operation else value
            active = str(active).lower() == "true"
            g.connection.execute(_SET_ACTIVE, {"link": link, "active": active})
        g.connection.execute(_TOUCH[user_link], {"link": link, "now": now})
        written = one(_USER_BY["id"], link)
        g.connection.commit()
        return answer(user_resource(written))

    @app.get(f"{base}/Groups")
    def search_groups() -> Response:
        name, value = named_value(request.args["filter"])
        found = g.connection.execute(_GROUP_BY[name], {"value": value}).all()
        return answer(page([group_resource(row) for row in found], len(found), 1))

    @app.get(f"{base}/Groups/<link>")
    def get_group(link: str) -> Response:
        return answer(group_resource(one(_GROUP_BY["id"], link)))

    @app.post(f"{base}/Groups")
    def create_group() -> Response:
        body = request.get_json(force=True)
        now, link = datetime.now(UTC).replace(tzinfo=None), str(uuid.uuid4())
        host_id = g.connection.execute(_NEW_TEAM, {"name": body["displayName"]}).scalar_one()
        g.connection.execute(
            team_link.insert(),
            {
                "id": link,
                "host_id": host_id,
                "external_id": body.get("externalId"),
                "version": 1,
                "created": now,
                "last_modified": now,
                "stored": {},
            },
        )
        created = one(_GROUP_BY["id"], link)
        g.connection.commit()
        return answer(group_resource(created), 201)

    @app.patch(f"{base}/Groups/<link>")
    def patch_group(link: str) -> Response:
        now = datetime.now(UTC).replace(tzinfo=None)
        team = g.connection.execute(_HOST_ID["team"], {"link": link}).scalar_one()
        for operation in request.get_json(force=True)["Operations"]:
            path = _MEMBER_PATH.fullmatch(operation.get("path", ""))
            named = [path[1]] if path else [member["value"] for member in operation["value"]]
            statement = _ADD_MEMBERS if operation["op"].lower() == "add" else _REMOVE_MEMBERS
            g.connection.execute(statement, {"team": team, "named": named})
        g.connection.execute(_TOUCH[team_link], {"link": link, "now": now})
        g.connection.commit()
        return Response(status=204)

    def user_resource(row: sa.Row[Any]) -> dict[str, Any]:
        attributes = dict(row.stored)
        formatted = attributes.pop("name", {})
        return {
            "schemas": [USER, ENTERPRISE],
            "id": row.id,
            "externalId": row.external_id,
            "userName": row.username,
            "name": {"givenName": row.first_name, "familyName": row.last_name, **formatted},
            "emails": [{"value": row.email, "type": "work", "primary": True}],
            "active": row.is_active,
            **attributes,
            ENTERPRISE: {"department": row.department},
            "meta": meta(row, "User"),
        }

    def group_resource(row: sa.Row[Any]) -> dict[str, Any]:
        resource = {
            "schemas": [GROUP],
            "id": row.id,
            "externalId": row.external_id,
            "displayName": row.name,
            "meta": meta(row, "Group"),
        }
        if request.args.get("excludedAttributes") != "members":
            root = request.host_url + base[1:]
            resource["members"] = [
                {"value": link, "$ref": f"{root}/Users/{link}", "type": "User"}
                for (link,) in g.connection.execute(_MEMBERS, {"team": row.team_id})
            ]
        return resource

    def meta(row: sa.Row[Any], resource_type: str) -> dict[str, Any]:
        return {
            "resourceType": resource_type,
            "created": row.created.isoformat() + "Z",
            "lastModified": row.last_modified.isoformat() + "Z",
            "version": f'W/"{row.version}"',
            "location": f"{request.host_url}{base[1:]}/{resource_type}s/{row.id}",
        }

    def one(statement: sa.Select[Any], link: str) -> sa.Row[Any]:
        row = g.connection.execute(statement, {"value": link}).first()
        if row is None:
            abort(404)
        return row

    return app


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """Return ``body`` as a SCIM response."""
    return Response(json.dumps(body), status, mimetype="application/scim+json")


def page(resources: list[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    """Return the ListResponse of RFC 7644 section 3.4.2."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def named_value(text: str) -> tuple[str, str]:
    """Return attribute and value of a filter ``attribute eq "value"``."""
    found = _EQUALS.fullmatch(text)
    if found is None:
        abort(400)
    return found[1], found[2]


def user_columns(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the host's columns, and what the host has no column for."""
    row = {
        "username": body["userName"],
        "first_name": body["name"]["givenName"],
        "last_name": body["name"]["familyName"],
        "email": body["emails"][0]["value"],
        "is_active": body["active"],
        "department": body[ENTERPRISE]["department"],
    }
    named = ("displayName", "title", "preferredLanguage", "phoneNumbers", "addresses")
    attributes = {name: body[name] for name in named if name in body}
    attributes["name"] = {"formatted": body["name"]["formatted"]}
    return row, attributes


def seed(database: str, count: int) -> tuple[str, str]:
    """Make the tables, fill them with ``count`` people and their groups.

    :returns: the path of the SCIM endpoint, and the bearer token.
    """
    engine = engine_at(database)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    secret = "floor-" + "0123456789abcdef" * 12
    now = datetime.now(UTC).replace(tzinfo=None)
    numbers = range(1, count + people.SPARE + 1)
    sizes = people.group_sizes(count)

    def links(ids: Iterable[tuple[str, int, str, dict[str, Any]]]) -> Iterable[Any]:
        for link, host_id, external, attributes in ids:
            yield {
                "id": link,
                "host_id": host_id,
                "external_id": external,
                "version": 1,
                "created": now,
                "last_modified": now,
                "stored": attributes,
            }

    with engine.begin() as connection:
        digest = hashlib.sha256(secret.encode()).digest()
        connection.execute(
            token.insert(), {"digest": digest, "integration_id": str(uuid.uuid4()), "enabled": True}
        )
        bulk_insert(connection, users, (people.user(n) for n in numbers))
        bulk_insert(
            connection,
            user_link,
            links((people.user_id(n), n, people.external_id(n), people.stored(n)) for n in numbers),
        )
        bulk_insert(connection, teams, people.team_rows(sizes))
        bulk_insert(
            connection,
            team_link,
            links(
                (people.group_id(size), n, f"team-{size}", {}) for n, size in enumerate(sizes, 1)
            ),
        )
        bulk_insert(connection, team_member, people.member_rows(sizes))
    engine.dispose()
    return f"/api/v1/{people.TENANT}/integrations/floor/scim/v2", secret

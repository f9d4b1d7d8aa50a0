"""Both applications answer the same, or the times mean nothing; checked once before measuring."""

from typing import Any

from benchmarks import people
from benchmarks.operations import (
    Directory,
    create_user,
    get_user,
    list_deep,
    list_first,
    match_external_id,
    match_hit,
    match_miss,
    patch,
    patch_active,
    patch_active_without_path,
    put_user,
)
from benchmarks.servers import Request, Server

__all__ = ["check_answers"]

_CHECK_TURN = 1_000_000


def check_answers(floor: Server, ours: Server, directory: Directory) -> None:
    """Send the same requests to both and compare what they say about people and members.

    :raises AssertionError: naming the request, where the answers differ.
    """
    both = (floor, ours)
    for make in (match_hit, match_miss, match_external_id, get_user, list_first, list_deep):
        _same(both, make(directory, 7))
    for make in (patch_active, patch_active, patch_active_without_path):
        _same(both, make(directory, 0))
    # Turns 0 and 1 are the same person, who is active again afterwards.
    _same(both, patch_active(directory, 1))
    _same(both, put_user(directory, 3))
    created = [server.send(create_user(directory, _CHECK_TURN)).json()["id"] for server in both]
    found = [
        _plain(server.send(Request("GET", f"/Users/{user}")).json())
        for server, user in zip(both, created, strict=True)
    ]
    for user in found:
        del user["id"]
    assert found[0] == found[1], f"created users differ:\n{found[0]}\n{found[1]}"
    for size in people.group_sizes(directory.users):
        _check_group(both, directory, size)


def _check_group(both: tuple[Server, Server], directory: Directory, size: int) -> None:
    path = f"/Groups/{people.group_id(size)}"
    seeded = {people.user_id(number) for number in range(1, size + 1)}
    one, hundred = directory.spare(_CHECK_TURN), directory.spare(_CHECK_TURN, 100)
    add = [{"value": user} for user in one]
    remove = {"op": "Remove", "path": f'members[value eq "{one[0]}"]'}
    many = [{"value": user} for user in hundred]
    for server in both:
        assert _members(server, path) == seeded
        for operation, expected in (
            ({"op": "Add", "path": "members", "value": add}, {*seeded, *one}),
            (remove, seeded),
            ({"op": "Add", "path": "members", "value": many}, {*seeded, *hundred}),
            ({"op": "Remove", "path": "members", "value": many}, seeded),
        ):
            server.send(patch(path, operation, expected=204))
            assert _members(server, path) == expected, f"{server.app}: {operation['op']} of {size}"


def _members(server: Server, path: str) -> set[str]:
    members = server.send(Request("GET", path)).json()["members"]
    assert all(member.keys() == {"value", "$ref", "type"} for member in members)
    return {member["value"] for member in members}


def _same(both: tuple[Server, Server], request: Request) -> None:
    floor, ours = (_plain(server.send(request).json()) for server in both)
    assert floor == ours, f"{request.method} {request.path} differs:\n{floor}\n{ours}"


def _plain(body: Any) -> Any:
    """Return a body without what may differ: times, versions, addresses, and what is null."""
    if isinstance(body, list):
        return [_plain(item) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        name: _plain(value)
        for name, value in body.items()
        if value is not None and name not in ("meta", "schemas")
    }

"""A portal that keeps the rows of deleted users, as most do."""

from __future__ import annotations

from .server import FakeServer, Refused


class KeepingServer(FakeServer):
    """The names of deleted users stay taken; creating such a user takes the row up again."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[str] = set()

    def handle(self, method, path, query, body):
        if method == "DELETE" and path.startswith("/Users/"):
            user = self.users.get(path.rpartition("/")[2])
            if user is not None:
                self.kept.add(user["userName"].lower())
        return super().handle(method, path, query, body)

    def create(self, store, body):
        self.kept.discard(body.get("userName", "").lower())
        return super().create(store, body)

    def refuse_duplicate(self, store, resource):
        super().refuse_duplicate(store, resource)
        if store is self.users and resource["userName"].lower() in self.kept:
            raise Refused(409, "userName belongs to somebody who was deleted.")


def test_runs_can_be_repeated_where_deleted_users_keep_their_names(play):
    server = KeepingServer()
    for _ in range(3):
        report = play(server, "entra", users=40)
        assert report.ok, report.as_text()
    assert server.kept


def test_runs_can_be_repeated_after_a_cleanup_too(play):
    server = KeepingServer()
    for _ in range(2):
        report = play(server, "entra", users=40, cleanup=True)
        assert report.ok, report.as_text()
    assert not server.users

"""What a client names decides its own answer and nobody else's (RFC 7644 section 3.9)."""


def test_unknown_names_leave_what_is_always_returned(portal):
    """Only the names are unknown: the client did name attributes, so the default set is out."""
    user = portal.client.post("/Users", {"userName": "ada", "title": "Countess"}).json
    answer = portal.client.get(f"/Users/{user['id']}?attributes=nothingLikeThat").json
    assert answer.keys() == {"schemas", "id"}


def test_one_client_s_names_are_forgotten_before_the_next_request(portal):
    user = portal.client.post("/Users", {"userName": "ada", "title": "Countess"}).json
    portal.client.get(f"/Users/{user['id']}?attributes=nothingLikeThat")
    assert portal.client.get(f"/Users/{user['id']}").json == user
    found = portal.client.get("/Users?attributes=nothingLikeThat").json["Resources"]
    assert [each.keys() for each in found] == [{"schemas", "id"}]
    assert portal.client.get("/Users").json["Resources"] == [user]

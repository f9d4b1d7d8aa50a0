"""A portal with local people meets a directory that knows most of them; and adoption in bulk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services import adoption, conflicts
from flask_scim_provisioning.services.errors import IntegrationInvalid
from tests.client import counted
from tests.local_people import local_people
from tests.mapping.hosts import open_portal
from tests.portal import Portal

from .test_takeover import add, assessed, choose, decide, history, inbox_all, state_of, waiting

LOCAL, KNOWN, CONFLICTING, ADMINISTRATORS, DISABLED = 200, 190, 12, 3, 6


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    with ExitStack() as stack:
        portal = open_portal(database, local_people(signs_in_by_email=True), dialect="entra")
        stack.callback(portal.close)
        yield portal


def name_of(number: int) -> str:
    return f"person{number:05}"


def fill(portal: Portal, local: int, conflicting: int, administrators: int, disabled: int) -> None:
    """Add local people: the first are administrators, then those who are disabled, and so on.

    The last ones have another name in the directory, and an address that nobody has verified.
    """
    rows = [
        {
            "username": name_of(n) if n < local - conflicting else f"local-{n}",
            "email": f"{name_of(n)}@contoso.example",
            "email_verified": False,
            "first_name": "Local",
            "department": "Here",
            "is_admin": n < administrators,
            "is_active": not administrators <= n < administrators + disabled,
        }
        for n in range(local)
    ]
    with portal.engine.begin() as connection:
        connection.execute(portal.models.User.__table__.insert(), rows)


def resource(number: int) -> dict[str, Any]:
    return {
        "userName": name_of(number),
        "externalId": f"guid-{number}",
        "active": True,
        "name": {"givenName": "Cloud"},
        "emails": [{"value": f"{name_of(number)}@contoso.example", "type": "work"}],
    }


def sync(portal: Portal, numbers: Iterable[int]) -> dict[int, int]:
    """Send everybody as Entra does: look, then create or change; return how often each status."""
    statuses: dict[int, int] = {}
    for number in numbers:
        body = resource(number)
        text = f'userName eq "{body["userName"]}"'
        found = portal.client.get("/Users", filter=text).json["Resources"]
        if found:
            values = {key: value for key, value in body.items() if key != "userName"}
            operations = [{"op": "replace", "value": values}]
            answer = portal.client.patch(f"/Users/{found[0]['id']}", operations)
        else:
            answer = portal.client.post("/Users", body)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    return statuses


def everybody(portal: Portal) -> list[Any]:
    portal.session.rollback()
    table = portal.models.User.__table__
    return list(portal.session.execute(sa.select(table).order_by(table.c.id)))


@pytest.mark.parametrize("policy", ["link", "keep"])
def test_a_directory_meets_the_people_of_a_portal(portal: Portal, policy: str) -> None:
    """No duplicate, no profile against its policy, nobody enabled, every decision told."""
    known = range(LOCAL - KNOWN, LOCAL)
    meet(portal, policy, LOCAL, known, CONFLICTING, ADMINISTRATORS, DISABLED, skipped=LOCAL - KNOWN)


def meet(
    portal: Portal,
    policy: str,
    local: int,
    known: range,
    conflicting: int,
    administrators: int,
    disabled: int,
    skipped: int,
) -> None:
    """Let a directory with some of the local people come, decide, and let it come again."""
    fill(portal, local, conflicting, administrators + skipped, disabled)
    choose(portal, taking_over=policy, match_people_by="userName+emails")
    before = everybody(portal)
    asked = administrators + conflicting
    assert sync(portal, known) == {200: len(known) - asked, 409: asked}
    assert len(everybody(portal)) == local, "nobody is there twice"
    start = known.start
    again = [*range(start, start + administrators + disabled), *range(local - conflicting, local)]
    assert sync(portal, again)[409] == asked, "a retry is no other attempt"
    assert assessed(portal).reason.startswith(f"{asked} decisions wait")
    entries = waiting(portal)
    assert len(entries) == asked if asked <= 50 else 50
    guarded = [each for each in entries if each.reason is conflicts.Reason.GUARDED]
    unverified = [each for each in entries if each.reason is conflicts.Reason.UNVERIFIED]
    assert len(guarded) + len(unverified) == len(entries)
    for entry in guarded:
        decide(portal, entry, "keep")
    for entry in unverified[::2]:
        decide(portal, entry, "link")
    inbox_all(portal, "refuse")
    linked, refused = len(unverified[::2]), len(unverified) - len(unverified[::2])
    statuses = sync(portal, again)
    assert statuses.get(409, 0) == refused
    assert statuses.get(201, 0) == linked
    after = everybody(portal)
    assert [row.id for row in after] == [row.id for row in before], "no duplicate"
    by_decision = {entry.link_id: entry for entry in unverified[::2]}
    assert len(by_decision) == linked
    for old, new in zip(before, after, strict=True):
        assert new.email == old.email, "what people sign in with stays"
        assert new.is_active is old.is_active, "nobody is enabled"
        if old.is_admin:
            assert new.first_name == "Local"
    written = [row for row in after if row.first_name == "Cloud"]
    silently = len(known) - asked
    if policy == "link":
        assert len(written) == silently + linked
    told = [each for each in history(portal) if each.action == "conflict.decided"]
    assert len(told) == asked
    assert {each.actor for each in told} == {"grace"}
    assert assessed(portal).state.value == "active"


def adopt(portal: Portal, people: list[adoption.Person], **options: Any) -> list[adoption.Adopted]:
    portal.session.rollback()
    state = state_of(portal)
    arguments = (portal.session, state.models, state.mappings["Users"], portal.integration)
    return list(adoption.adopt(*arguments, people, actor="grace", **options))


def test_people_are_linked_beforehand(portal: Portal) -> None:
    fill(portal, 450, 5, 2, 3)
    people = [adoption.Person(name_of(n).upper(), f"guid-{n}") for n in range(450)]
    people.append(adoption.Person(name_of(7)))
    before = everybody(portal)
    dry = adopt(portal, people, dry_run=True)
    outcomes = [each.outcome for each in dry]
    assert (outcomes.count("linked"), outcomes.count("guarded"), outcomes.count("unknown")) == (
        443 + 1,  # the one that comes twice is in another batch, and nothing was done between
        2,
        5,
    )
    assert not any(each.action == "user.adopted" for each in history(portal))
    done = [each.outcome for each in adopt(portal, people)]
    assert (done.count("linked"), done.count("known")) == (443, 1)
    assert everybody(portal) == before, "nothing of the portal's rows is written"
    told = [each for each in history(portal) if each.action == "user.adopted"]
    assert (len(told), told[0].actor, told[0].resource_name) == (443, "grace", name_of(2))
    state = state_of(portal)
    counted = adoption.count_unlinked(portal.session, state.mappings["Users"], portal.integration)
    assert counted == {"people": 450, "unlinked": 7}
    found = portal.client.get("/Users", filter='externalId eq "guid-9"').json["Resources"]
    assert [each["userName"] for each in found] == [name_of(9)]
    assert {each.outcome for each in adopt(portal, people)} == {"known", "guarded", "unknown"}


def test_a_batch_costs_the_same_whatever_is_in_it(portal: Portal) -> None:
    fill(portal, 420, 0, 0, 0)
    people = [adoption.Person(name_of(n), f"guid-{n}") for n in range(420)]
    with counted(portal.engine) as one:
        adopt(portal, people[:200])
    with counted(portal.engine) as small:
        adopt(portal, people[200:210])
    assert one.count == small.count <= 20, one.statements


def test_people_are_met_by_an_address_that_is_verified(portal: Portal) -> None:
    add(portal, "ada", email="ada@contoso.example", email_verified=True)
    add(portal, "eve", email="eve@contoso.example")
    people = [adoption.Person(f"{name}@contoso.example") for name in ("ada", "eve", "bob")]
    found = [(each.outcome.value, each.name) for each in adopt(portal, people, by="emails")]
    assert found == [("linked", "ada"), ("unverified", "eve"), ("unknown", None)]
    with pytest.raises(IntegrationInvalid):
        adopt(portal, people, by="shoeSize")


def test_people_of_every_alphabet_are_met(portal: Portal) -> None:
    for name in ("zoë", "ÅSA", "Ada", "a_a", "a%a"):
        add(portal, name)
    people = [adoption.Person(name) for name in ("Zoë", "åsa", "ADA", "A_A", "zoe", "axa")]
    found = {each.user_name: each.name for each in adopt(portal, people) if each.name}
    assert found == {"Zoë": "zoë", "åsa": "ÅSA", "ADA": "Ada", "A_A": "a_a"}


def test_what_waited_is_done_when_people_are_linked_beforehand(portal: Portal) -> None:
    choose(portal, taking_over="ask")
    add(portal, "ada")
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 409
    assert len(waiting(portal)) == 1
    adopt(portal, [adoption.Person("ada", "x")])
    assert waiting(portal) == []
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 409, "match instead"
    assert waiting(portal) == []


@pytest.mark.parametrize(
    "text",
    [
        "userName,externalId\nada,1\n bob ,\n",
        "\ufeffexternalId,userName,more\n1,ada,x\n,bob,y\n",
        '{"userName": "ada", "externalId": "1"}\n\n{"userName": "bob", "externalId": null}\n',
    ],
)
def test_people_are_read_from_csv_and_json_lines(text: str) -> None:
    assert list(adoption.read_people(text)) == [
        adoption.Person("ada", "1"),
        adoption.Person("bob"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name\nada",
        "userName\n\nada\n ,",
        '{"userName": 7}',
        '{"userName": "ada", "externalId": 1}',
        '{"userName": "ada"',
        "{}\n[]",
        "userName\n" + "a" * 256,
    ],
)
def test_a_file_that_has_no_people_is_refused(text: str) -> None:
    with pytest.raises(IntegrationInvalid):
        list(adoption.read_people(text))


@pytest.fixture
def flask_scim(portal: Portal) -> Callable[..., Any]:
    def run(*arguments: str, code: int = 0, **options: Any) -> Any:
        result = portal.app.test_cli_runner().invoke(args=["scim", *arguments], **options)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    return run


def test_the_command_previews_and_links(portal: Portal, flask_scim: Callable[..., Any]) -> None:
    fill(portal, 5, 1, 1, 1)
    name = portal.integration.name
    assert "5 of 5 people aren't known to any directory" in flask_scim("adopt", name)
    text = "userName,externalId\n" + "".join(f"{name_of(n)},guid-{n}\n" for n in range(5))
    output = flask_scim("adopt", name, "--stdin", "--dry-run", input=text)
    assert "3 would be linked" in output
    assert "guarded" in output
    assert flask_scim("adopt", name, "--json") == {"people": 5, "unlinked": 5}
    done = flask_scim("adopt", name, "--stdin", "--json", input=text)
    assert (done["counts"]["linked"], done["counts"]["guarded"], done["counts"]["unknown"]) == (
        3,
        1,
        1,
    )
    assert flask_scim("adopt", name, "--json") == {"people": 5, "unlinked": 2}
    assert "no JSON object" in flask_scim("adopt", name, "--stdin", input="{", code=1)


def test_an_old_attempt_is_pruned(portal: Portal, flask_scim: Callable[..., Any]) -> None:
    choose(portal, taking_over="ask")
    add(portal, "ada")
    portal.client.post("/Users", {"userName": "ada"})
    table = state_of(portal).models.conflict.__table__
    flask_scim("prune", "--days", "30")
    assert len(waiting(portal)) == 1
    with portal.engine.begin() as connection:
        connection.execute(sa.update(table).values(last_at=sa.text("'2020-01-01 00:00:00'")))
    flask_scim("prune", "--days", "30")
    assert portal.session.execute(sa.select(table)).all() == []

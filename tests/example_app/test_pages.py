"""The portal's own pages, which know nothing of provisioning but a link."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask

from example_app.database import db
from example_app.models import AuditEntry, Role, Team, User

from .conftest import EMAIL, Visitor

PAGES = ["/", "/people", "/people/1", "/teams", "/teams/new", "/roles", "/audit", "/provisioning/"]


@pytest.fixture
def colleagues(app: Flask) -> None:
    """Thirty people, one of whom can sign in as a member; one team."""
    with app.app_context():
        people = [
            User(
                username=f"person{n:02}",
                first_name="Kim",
                last_name=f"Nr. {n:02}",
                department="Sales",
            )
            for n in range(29)
        ]
        member = User(username="mem", first_name="Mem", last_name="Ber", manager=people[0])
        member.set_password("secret word")
        member.role = db.session.scalars(sa.select(Role).where(Role.name == "Member")).one()
        db.session.add_all([*people, member, Team(name="Field sales", members=people[:3])])
        db.session.commit()


def test_strangers_see_the_sign_in_page(visitor: Visitor) -> None:
    assert [path for path in PAGES if "Sign in to Meridian" not in visitor.open(path).text] == []


def test_pages_render_under_a_strict_policy(administrator: Visitor) -> None:
    for path in PAGES:
        page = administrator.open(path)
        assert page.status_code == 200
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert re.search(r"<style|\sstyle=|<script>|\son[a-z]+=", page.text) is None


def test_the_provisioning_pages_sit_in_the_portals_layout(administrator: Visitor) -> None:
    page = administrator.open("/provisioning/").text
    assert 'class="sidebar"' in page
    assert re.search(r'href="/provisioning/?"\s+aria-current="page">Provisioning<', page)


@pytest.mark.usefixtures("colleagues")
def test_members_may_not_administer(visitor: Visitor) -> None:
    visitor.sign_in("mem", "secret word")
    answers = [visitor.open(path) for path in ("/audit", "/provisioning/", "/teams/new")]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert ">Provisioning<" not in visitor.open("/").text


@pytest.mark.usefixtures("colleagues")
def test_search_and_paging(administrator: Visitor) -> None:
    first = administrator.open("/people?department=Sales").text
    assert "1 to 25 of 29 people" in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    assert "26 to 29 of 29 people" in administrator.open(following[1].replace("&amp;", "&")).text
    assert "1 to 1 of 1 people" in administrator.open("/people?q=kim+28").text
    assert "Nobody matches" in administrator.open("/people?q=100%25").text


@pytest.mark.usefixtures("colleagues")
def test_a_page_number_out_of_range_is_an_empty_page(administrator: Visitor) -> None:
    for number in ("99999999999999999999", "-1", "two"):
        assert administrator.open(f"/people?page={number}").status_code == 200


@pytest.mark.usefixtures("colleagues")
def test_a_team_shows_its_members(administrator: Visitor) -> None:
    assert "1 to 3 of 3 members" in administrator.open("/teams/1").text
    assert "1 to 1 of 1 members" in administrator.open("/teams/1?q=person02").text


def test_a_team_name_is_taken_once(administrator: Visitor) -> None:
    assert "Blue is created" in administrator.submit("/teams/new", name="Blue", description="").text
    again = administrator.submit("/teams/new", name="Blue", description="").text
    assert "There is a team of this name." in again


@pytest.mark.usefixtures("colleagues")
def test_deactivation_ends_a_session(app: Flask, administrator: Visitor) -> None:
    member = Visitor(app.test_client())
    member.sign_in("mem", "secret word")
    with app.app_context():
        key = db.session.scalars(sa.select(User.id).where(User.username == "mem")).one()
    done = administrator.submit(f"/people/{key}", f"/people/{key}/state", active="no")
    assert "is deactivated" in done.text
    assert "Sign in to Meridian" in member.open("/people").text
    assert "No active account" in member.sign_in("mem", "secret word").text


@pytest.mark.parametrize(("form", "values"), [("state", {"active": "no"}), ("role", {"role": "0"})])
def test_the_last_administrator_stays(
    administrator: Visitor, form: str, values: dict[str, str]
) -> None:
    page = administrator.submit("/people/1", f"/people/1/{form}", **values)
    assert "only administrator" in page.text
    assert "Good to see you" in administrator.open("/").text


@pytest.mark.usefixtures("colleagues")
def test_what_people_do_is_in_the_audit_log(app: Flask, administrator: Visitor) -> None:
    with app.app_context():
        role = db.session.scalars(sa.select(Role.id).where(Role.name == "Auditor")).one()
    administrator.submit("/people/2", "/people/2/role", role=str(role))
    assert "Gave role Auditor" in administrator.open("/audit?q=person").text
    with app.app_context():
        entry = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.actor, entry.subject) == (EMAIL, "person00")


def test_a_form_without_its_token_is_refused(administrator: Visitor) -> None:
    answer = administrator.client.post("/people/1/state", data={"active": "no"})
    assert answer.status_code == 400


def test_signing_in_never_leads_to_another_site(visitor: Visitor) -> None:
    visitor.submit("/sign-in?next=https://evil.example/", username=EMAIL, password="wrong")
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        page = visitor.client.get(f"/sign-in?next={target}")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert token is not None
        answer = visitor.client.post(
            f"/sign-in?next={target}",
            data={
                "csrf_token": token[1],
                "username": EMAIL,
                "password": "correct horse battery staple",
            },
        )
        assert answer.headers["Location"] == "/"
        visitor.submit("/", "/sign-out")

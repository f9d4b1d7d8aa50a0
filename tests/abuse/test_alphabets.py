"""Names of every alphabet are compared without case, however many letters they have."""

from __future__ import annotations

import random

import pytest

from flask_scim_provisioning.scim.evaluate import fold
from flask_scim_provisioning.scim.urns import GROUP, USER

from ..portal import Portal

SENTENCES = {
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "Greek": "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία καὶ θαυμάζω τῆς",
    "Armenian": "Բել դղյակի ձախ ժամն օֆ ազգությանը ցպահանջ չճշտած վնաս էր եւ փառք",
    "German": "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg",
    "Turkish": "Pijamalı hasta yağız şoföre çabucak güvendi İstanbul",  # noqa: RUF001 - meant
    "Georgian": "ᲓᲔᲓᲐᲔᲜᲐ დედაენა",
    "Vietnamese": "Con sói và con cáo ăn cơm Đà Nẵng ở phố cổ Hội An",
    "Deseret": "𐐔𐐯𐑅𐐨𐑉𐐯𐐻 𐐢𐐯𐐻𐐲𐑉𐑆",
}


def _many_letters() -> str:
    """Two hundred letters of many alphabets, each with two cases."""
    letters = [chr(code) for code in range(0x00C0, 0x0590) if chr(code).lower() != chr(code)]
    chance = random.Random(11)
    return "".join(chance.sample([each for each in letters if len(each.lower()) == 1], 140))


SENTENCES["many"] = _many_letters()


def _found(portal: Portal, condition: str) -> int:
    answer = portal.client.get("/Groups", filter=condition)
    assert answer.status_code == 200, answer.json
    return int(answer.json["totalResults"])


@pytest.mark.parametrize("alphabet", SENTENCES)
def test_a_name_is_found_in_either_case_by_its_whole_its_beginning_its_end_and_its_middle(
    portal: Portal, alphabet: str
) -> None:
    """RFC 7643 section 2.2: displayName isn't caseExact."""
    name = SENTENCES[alphabet]
    body = {"schemas": [GROUP], "displayName": name}
    assert portal.client.post("/Groups", body).status_code == 201
    assert portal.client.post("/Groups", {**body, "displayName": "Other"}).status_code == 201
    for spelled in (name, name.lower(), name.swapcase()):
        if fold(spelled) != fold(name):
            continue
        assert _found(portal, f'displayName eq "{spelled}"') == 1
        assert _found(portal, f'displayName co "{spelled[3:-3]}"') == 1
        assert _found(portal, f'displayName sw "{spelled[:-4]}"') == 1
        assert _found(portal, f'displayName ew "{spelled[4:]}"') == 1
    assert _found(portal, f'displayName eq "{name}x"') == 0
    assert _found(portal, f'displayName ne "{name}"') == 1


@pytest.mark.parametrize("alphabet", SENTENCES)
def test_a_name_is_taken_in_whatever_case(portal: Portal, alphabet: str) -> None:
    """RFC 7643 section 4.1.1: userName is unique, and case doesn't make another one."""
    name = SENTENCES[alphabet].replace(" ", ".")[:140]
    body = {"schemas": [USER], "userName": name}
    assert portal.client.post("/Users", body).status_code == 201
    other = portal.client.post("/Users", {**body, "userName": name.lower()})
    assert (other.status_code, other.json["scimType"]) == (409, "uniqueness")


def test_letters_that_look_alike_are_not_the_same(portal: Portal) -> None:
    """Accents count; a collation of the database's doesn't decide it."""
    body = {"schemas": [GROUP], "displayName": "Équipe Åland"}
    assert portal.client.post("/Groups", body).status_code == 201
    assert _found(portal, 'displayName eq "equipe åland"') == 0
    assert _found(portal, 'displayName co "aland"') == 0
    assert _found(portal, 'displayName eq "éQUIPE åLAND"') == 1

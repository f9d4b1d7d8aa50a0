"""The identity provider's own side: its people and groups, which are the truth of a simulation."""

from __future__ import annotations

import random
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .vocabulary import DEPARTMENTS, PLACES, PROJECTS, Place

NAMESPACE = uuid.UUID("6f0d2c5e-7a55-5d0c-9c51-6e2f0a7f1a11")
_OKTA_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Letters that Unicode does not decompose into a Latin letter and a mark.
_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "þ": "th",
        "ð": "d",
    }
)


@dataclass(eq=False)
class Person:
    """One person as the identity provider knows them.

    ``scim_id`` is the provider's cached anchor: the ``id`` the server gave, None until it did.
    ``former_name`` is the sign-in name before this run changed it, None while it is the first;
    ``cleared`` names the attribute paths whose value the provider removed during this run.
    """

    key: str
    okta_id: str
    user_name: str
    given_name: str
    family_name: str
    title: str | None
    department: str
    employee_number: str
    locale: str
    phone: str
    mobile: str | None
    fax: str | None
    office: str
    street: str
    city: str
    region: str
    postal_code: str
    country: str
    manager: Person | None = None
    active: bool = True
    scim_id: str | None = None
    former_name: str | None = None
    cleared: set[str] = field(default_factory=set)

    @property
    def email(self) -> str:
        """The work e-mail; the same text as the sign-in name, as in most organisations."""
        return self.user_name

    @property
    def display_name(self) -> str:
        """Given and family name, in this order."""
        return f"{self.given_name} {self.family_name}"


Rule = Callable[[Person, random.Random], bool]


@dataclass(eq=False)
class Group:
    """One group of the identity provider.

    ``foreign`` holds member ids found in the group when it was adopted that the provider does not
    manage: it never removes them, so they must stay.
    """

    key: str
    display_name: str
    members: list[Person] = field(default_factory=list)
    scim_id: str | None = None
    foreign: set[str] = field(default_factory=set)

    def member_ids(self) -> set[str]:
        """The server's ids of all members the server knows."""
        return {person.scim_id for person in self.members if person.scim_id is not None}


def sign_in_part(name: str) -> str:
    """The part of a sign-in name made from one name: Latin, lower case, dots for blanks."""
    latin = name.rpartition("|")[2]
    decomposed = unicodedata.normalize("NFKD", latin.lower().translate(_LETTERS))
    letters = "".join(mark for mark in decomposed if not unicodedata.combining(mark))
    return letters.replace(" ", ".")


class Directory:
    """The people and groups of one organisation, made from a seed.

    The same organisation, seed and numbers give the same people, so that a later run finds those
    it left behind. Managers form a tree whose root is the first person.

    :param company: name of the organisation; group names start with it and the e-mail domain is
        made of it (below ``.example``, which belongs to nobody: RFC 2606 section 2).
    :param seed: any number.
    :param users: people at the beginning.
    :param groups: groups at the beginning.
    """

    def __init__(self, company: str, *, seed: int, users: int, groups: int) -> None:
        # Another seed is another organisation: their people never meet.
        self.company = company if seed == 1 else f"{company} {seed}"
        self.domain = f"{self.company.replace(' ', '').lower()}.example"
        self.seed = seed
        self.random = random.Random(self.company)  # noqa: S311 - repeatable, no secret
        self.people: list[Person] = []
        self.groups: list[Group] = []
        self.gone: list[Person] = []
        self._taken: set[str] = set()
        self._numbered = 0
        self._names = iter(_group_names(self.company))
        self.hire(users)
        for _ in range(groups):
            self.add_group()

    def hire(self, number: int) -> list[Person]:
        """Add ``number`` people, each with a manager among those who came before."""
        hired = []
        for _ in range(number):
            index = self._numbered
            self._numbered += 1
            # One source of chance for each person, so that the tenth is the same among ten as
            # among a thousand.
            rng = random.Random(f"{self.company}:{index}")  # noqa: S311 - no secret
            person = self._make_person(index, rng)
            staff = [colleague for colleague in self.people if colleague.active]
            if staff:
                person.manager = rng.choice(staff[: max(3, len(staff) // 5)])
            self.people.append(person)
            hired.append(person)
        return hired

    def add_group(self) -> Group:
        """Add the next group: all staff, then departments, then cities, then projects."""
        name, rule = next(self._names)
        group = Group(key=self._key("group", name), display_name=name)
        group.members = [person for person in self.people if rule(person, self.random)]
        self.groups.append(group)
        return group

    def temporary_group(self, label: str) -> Group:
        """A group for a test within the run; it is not part of the directory."""
        name = f"{self.company} {label}"
        return Group(key=self._key("group", name), display_name=name)

    def remove(self, people: Iterable[Person]) -> None:
        """Forget people who were purged; they leave every group and manage nobody."""
        gone = set(people)
        self.gone.extend(gone)
        self.people = [person for person in self.people if person not in gone]
        for group in self.groups:
            group.members = [person for person in group.members if person not in gone]
            group.foreign -= {person.scim_id or "" for person in gone}
        for person in self.people:
            if person.manager in gone:
                person.manager = None

    def leaves(self) -> list[Person]:
        """Active people who manage nobody, in a repeatable shuffled order."""
        managers = {person.manager for person in self.people}
        found = [p for p in self.people if p.active and p not in managers]
        self.random.shuffle(found)
        return found

    def free_name(self, wanted: str, taken: Iterable[str] = ()) -> str:
        """A sign-in name nobody has: ``wanted`` or ``wanted`` with a number."""
        local, _, domain = wanted.partition("@")
        used = self._taken | {name.lower() for name in taken}
        number, name = 1, wanted
        while name.lower() in used:
            number += 1
            name = f"{local}{number}@{domain}"
        self._taken.add(name.lower())
        return name

    def other_manager(self, person: Person) -> Person | None:
        """Somebody who may manage ``person`` without making a circle, and does not yet."""
        candidates = [
            other
            for other in self.people
            if other.active and other is not person.manager and not reports_to(other, person)
        ]
        return self.random.choice(candidates) if candidates else None

    def _key(self, kind: str, name: object) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self.company}:{kind}:{name}"))

    def _make_person(self, index: int, rng: random.Random) -> Person:
        place = PLACES[index % len(PLACES)]
        given, family = rng.choice(place.given_names), rng.choice(place.family_names)
        department = rng.choice(list(DEPARTMENTS))
        return Person(
            key=self._key("person", index),
            okta_id="00u" + "".join(rng.choices(_OKTA_ALPHABET, k=17)),
            user_name=self.free_name(self._sign_in_name(given, family, index)),
            given_name=given.partition("|")[0],
            family_name=family.partition("|")[0],
            title=rng.choice(DEPARTMENTS[department]),
            department=department,
            employee_number=f"{self.seed % 1000:03d}{index:05d}",
            locale=place.locale,
            phone=_phone(place, rng),
            mobile=_phone(place, rng) if rng.random() < 0.7 else None,
            fax=_phone(place, rng) if rng.random() < 0.2 else None,
            office=f"{rng.randint(1, 40)}/{rng.randint(1000, 2999)}",
            street=f"{place.street} {rng.randint(1, 199)}",
            city=place.city,
            region=place.region,
            postal_code=place.postal_code,
            country=place.country,
        )

    def _sign_in_name(self, given: str, family: str, index: int) -> str:
        first, last = sign_in_part(given), sign_in_part(family)
        if index % 9 == 4:  # stored as typed: a server must keep the case it was given
            first, last = first.title(), last.title()
        tag = "+ext" if index % 12 == 7 else ""
        return f"{first}.{last}{tag}@{self.domain}"


def reports_to(person: Person | None, chief: Person) -> bool:
    """Whether ``chief`` is ``person`` or anywhere above."""
    while person is not None:
        if person is chief:
            return True
        person = person.manager
    return False


def batches(members: Sequence[Person], size: int) -> list[Sequence[Person]]:
    """``members`` in runs of at most ``size``."""
    return [members[start : start + size] for start in range(0, len(members), size)]


def _phone(place: Place, rng: random.Random) -> str:
    return f"{place.dialling} {rng.randint(0, 9999):04d}"


def _group_names(company: str) -> Iterator[tuple[str, Rule]]:
    yield f"{company} All Staff", lambda _person, _rng: True
    for department in DEPARTMENTS:
        yield f"{company} {department}", _in_department(department)
    for place in PLACES:
        yield f"{company} {place.city}", _in_city(place.city)
    round_number = 1
    while True:
        for project in PROJECTS:
            name = f"{company} Project {project}"
            yield (name if round_number == 1 else f"{name} {round_number}"), _one_in_eight
        round_number += 1


def _in_department(department: str) -> Rule:
    return lambda person, _rng: person.department == department


def _in_city(city: str) -> Rule:
    return lambda person, _rng: person.city == city


def _one_in_eight(_person: Person, rng: random.Random) -> bool:
    return rng.random() < 0.125

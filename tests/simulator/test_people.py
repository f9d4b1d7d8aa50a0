from __future__ import annotations

from flask_scim_provisioning.simulator.people import Directory, batches, reports_to, sign_in_part


def directory(**options: int) -> Directory:
    return Directory("Aurelia", **{"seed": 7, "users": 120, "groups": 12, **options})


def names(made: Directory) -> list[str]:
    return [person.user_name for person in made.people]


def test_the_same_seed_gives_the_same_people_and_groups():
    one, other = directory(), directory()
    assert names(one) == names(other)
    assert [person.key for person in one.people] == [person.key for person in other.people]
    assert [group.display_name for group in one.groups] == [
        group.display_name for group in other.groups
    ]


def test_another_seed_gives_other_people():
    assert not set(names(directory())) & set(names(directory(seed=8)))


def test_the_first_seed_has_the_plain_domain():
    assert directory(seed=1).domain == "aurelia.example"
    assert directory(seed=8).domain == "aurelia8.example"


def test_the_first_people_are_the_same_among_ten_and_among_a_hundred():
    assert names(directory(users=100))[:10] == names(directory(users=10))


def test_sign_in_names_are_unique_whatever_their_case_among_a_thousand():
    lowered = [name.lower() for name in names(directory(users=1000))]
    assert len(set(lowered)) == 1000


def test_names_hold_what_breaks_servers():
    made = directory(users=1000)
    everything = "".join(person.display_name for person in made.people)
    assert not everything.isascii()
    assert any("山" in person.family_name for person in made.people)
    assert any("𠮷" in person.family_name for person in made.people)
    joined = " ".join(names(made))
    assert joined.isascii()
    assert "'" in joined
    assert "+ext@" in joined
    assert joined != joined.lower()


def test_managers_form_a_tree_under_the_first_person():
    made = directory()
    chief, *others = made.people
    assert chief.manager is None
    assert all(reports_to(person, chief) for person in others)


def test_a_new_manager_never_closes_a_circle():
    made = directory()
    for person in made.people[1:]:
        manager = made.other_manager(person)
        if manager is not None:
            assert not reports_to(manager, person)
            assert manager is not person.manager
            person.manager = manager


def test_the_first_group_is_everybody_and_names_of_any_number_of_groups_differ():
    made = directory(groups=90)
    assert made.groups[0].members == made.people
    assert len({group.display_name for group in made.groups}) == 90


def test_who_is_removed_leaves_every_group():
    made = directory()
    gone = made.leaves()[:3]
    made.remove(gone)
    left = {person for group in made.groups for person in group.members}
    assert not left & set(gone)
    assert set(made.gone) == set(gone) != set()


def test_a_taken_name_gets_a_number():
    made = directory(users=0, groups=0)
    assert made.free_name("a@b.example", ["A@b.example", "a2@b.example"]) == "a3@b.example"


def test_sign_in_parts_are_latin():
    assert sign_in_part("Łukasz") == "lukasz"
    assert sign_in_part("von der Heide") == "von.der.heide"
    assert sign_in_part("Søren") == "soren"
    assert sign_in_part("山田|yamada") == "yamada"
    assert sign_in_part("D'Angelo") == "d'angelo"


def test_batches_keep_everybody_and_stay_below_their_size():
    made = directory()
    found = batches(made.people, 50)
    assert [len(batch) for batch in found] == [50, 50, 20]
    assert [person for batch in found for person in batch] == made.people

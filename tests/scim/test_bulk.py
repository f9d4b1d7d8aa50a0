"""RFC 7644 section 3.7: references between operations, and the order that they ask for."""

from hypothesis import given
from hypothesis import strategies as st

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.bulk import (
    BulkOperation,
    postpone,
    read_bulk,
    references,
    resolve,
    schedule,
)


def post(number, bulk_id, *named):
    data = {"members": [{"value": f"bulkId:{name}"} for name in named]}
    return BulkOperation(number, "POST", "Groups", None, bulk_id, None, data)


def patch(number, *named):
    data = {
        "Operations": [
            {"op": "add", "path": "members", "value": [{"value": f"bulkId:{name}"}]}
            for name in named
        ]
    }
    return BulkOperation(number, "PATCH", "Groups", "some-id", None, None, data)


def order(*operations):
    return [(step.operation.number, sorted(step.postponed)) for step in schedule(operations)]


def test_without_references_operations_keep_their_order():
    assert order(post(1, "a"), patch(2), post(3, "b")) == [(1, []), (2, []), (3, [])]


def test_what_refers_to_a_later_operation_waits_for_it_and_no_longer():
    operations = [post(1, "a", "c"), post(2, "b"), post(3, "c"), post(4, "d")]
    assert order(*operations) == [(2, []), (3, []), (1, []), (4, [])]


def test_a_circle_begins_with_its_first_creation():
    assert order(post(1, "a", "b"), post(2, "b", "a")) == [(1, ["b"]), (2, [])]
    assert order(post(1, "a", "a")) == [(1, ["a"])]


def test_only_a_creation_is_carried_out_without_its_references():
    operations = [patch(1, "a"), post(2, "a", "b"), post(3, "b", "a")]
    assert order(*operations) == [(2, ["b"]), (1, []), (3, [])]


def test_a_reference_to_nothing_waits_for_nothing():
    assert order(post(1, "a", "nobody"), post(2, "b")) == [(1, []), (2, [])]


NAMES = st.sampled_from("abcdef")


@given(
    st.lists(st.tuples(st.booleans(), st.lists(NAMES, max_size=4)), max_size=6),
)
def test_every_operation_is_carried_out_once_and_after_what_it_refers_to(shapes):
    operations = [
        post(number, name, *named) if creates else patch(number, *named)
        for number, (name, (creates, named)) in enumerate(zip("abcdef", shapes, strict=False), 1)
    ]
    steps = schedule(operations)
    assert sorted(step.operation.number for step in steps) == [each.number for each in operations]
    creations = {each.bulk_id for each in operations if each.method == "POST"}
    made = set()
    for step in steps:
        assert (step.operation.references & creations) - step.postponed <= made
        assert not step.postponed or step.operation.method == "POST"
        made.add(step.operation.bulk_id)


BODY = {
    "userName": "bulkId:name",
    "members": [{"value": "bulkId:a", "display": "bulkId:d"}, {"value": "known"}],
    urns.ENTERPRISE_USER: {"manager": {"value": "BULKID:b"}},
    "Operations": [
        {"op": "remove", "path": 'members[value eq "bulkId:c" or value eq "known"]'},
        {"op": "add", "value": {f"{urns.ENTERPRISE_USER}:manager.value": "bulkId:e"}},
    ],
}


def test_a_reference_stands_where_an_id_does():
    """RFC 7644 section 3.7.2."""
    assert references(BODY) == {"a", "b", "c", "e"}


def test_references_become_ids():
    resolved = resolve(BODY, {name: name.upper() for name in "abcde"})
    assert references(resolved) == frozenset()
    assert resolved["members"][0] == {"value": "A", "display": "bulkId:d"}
    assert resolved["userName"] == "bulkId:name"
    assert resolved["Operations"][0]["path"] == 'members[value eq "C" or value eq "known"]'
    assert resolve(resolved, {}) == resolved


def test_a_reference_without_an_id_stays():
    assert resolve({"value": "bulkId:a"}, {}) == {"value": "bulkId:a"}


def test_what_waits_is_added_by_a_patch():
    now, later = postpone({**BODY, "Operations": []}, frozenset({"a", "b"}))
    assert now == {
        "userName": "bulkId:name",
        "members": [{"value": "known"}],
        urns.ENTERPRISE_USER: {},
        "Operations": [],
    }
    assert later["schemas"] == [urns.PATCH_OP]
    assert later["Operations"] == [
        {
            "op": "add",
            "value": {
                "members": [BODY["members"][0]],
                urns.ENTERPRISE_USER: BODY[urns.ENTERPRISE_USER],
            },
        }
    ]


def test_names_of_members_count_in_any_case():
    """RFC 7643 section 2.1."""
    body = {
        "failonerrors": 2,
        "operations": [{"METHOD": "post", "Path": "/Users/", "BulkID": "a", "data": {}}],
    }
    request = read_bulk(body, 1)
    assert request.fail_on_errors == 2
    assert request.operations == (BulkOperation(1, "POST", "Users", None, "a", None, {}),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["method", "path", "bulkId", "data", "value", "version"]) | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=5))
def test_whatever_an_operation_is_it_is_read_or_has_a_fault(raw):
    request = read_bulk({"Operations": raw}, 5)
    assert len(request.operations) == len(raw)
    assert len(schedule(request.operations)) == len(raw)
    for operation in request.operations:
        assert operation.fault is not None or operation.method in {"POST", "PUT", "PATCH", "DELETE"}

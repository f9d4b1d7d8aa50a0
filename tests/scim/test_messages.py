"""Requests and lists (RFC 7644 sections 3.4.2, 3.4.3 and 3.5.2; RFC 9865 section 2)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.errors import InvalidSyntax, InvalidValue
from flask_scim_provisioning.scim.filters import parse_filter
from flask_scim_provisioning.scim.messages import (
    MAX_DEPTH,
    MAX_INDEX,
    SearchRequest,
    check_depth,
    list_response,
    read_json,
    read_patch_envelope,
)
from flask_scim_provisioning.scim.patch import Operation

from ..thorough import examples

QUERY = {
    "filter": 'title pr and userType eq "Employee"',
    "sortBy": "title",
    "sortOrder": "descending",
    "startIndex": "11",
    "count": "10",
    "attributes": "title, userName,",
    "excludedAttributes": "members",
    "cursor": "abc",
}
BODY = {
    **QUERY,
    "schemas": [urns.SEARCH_REQUEST],
    "startIndex": 11,
    "count": 10,
    "attributes": ["title", "userName"],
    "excludedAttributes": ["members"],
}


def test_a_query_and_a_body_say_the_same():
    """RFC 7644 section 3.4.3: the body has the parameters of the query."""
    assert SearchRequest.from_query(QUERY) == SearchRequest.from_body(BODY)
    assert SearchRequest.from_query(QUERY) == SearchRequest(
        filter=parse_filter(QUERY["filter"]),
        sort_by="title",
        sort_order="descending",
        start_index=11,
        count=10,
        attributes=("title", "userName"),
        excluded_attributes=("members",),
        cursor="abc",
    )


def test_nothing_named_is_the_first_page_of_everything():
    assert SearchRequest.from_query({}) == SearchRequest.from_body({}) == SearchRequest()
    assert SearchRequest.from_query({"filter": " ", "count": "", "attributes": ","}) == (
        SearchRequest()
    )


def test_names_of_parameters_count_in_any_case():
    lower = {name.lower(): value for name, value in QUERY.items()}
    assert SearchRequest.from_query(lower) == SearchRequest.from_query(QUERY)
    upper = {name.upper(): value for name, value in BODY.items()}
    assert SearchRequest.from_body(upper) == SearchRequest.from_body(BODY)


@pytest.mark.parametrize(
    ("sent", "start_index"), [("0", 1), ("-5", 1), ("+3", 3), ("007", 7), ("9" * 5000, MAX_INDEX)]
)
def test_a_start_index_below_1_is_1(sent, start_index):
    """RFC 7644 section 3.4.2.4: "A value less than 1 SHALL be interpreted as 1"."""
    assert SearchRequest.from_query({"startIndex": sent}).start_index == start_index


@pytest.mark.parametrize(
    ("sent", "count"), [("0", 0), ("-1", 0), ("-" + "9" * 99, 0), ("9" * 99, MAX_INDEX)]
)
def test_a_negative_count_is_0(sent, count):
    """RFC 7644 section 3.4.2.4: "A negative value SHALL be interpreted as 0"."""
    assert SearchRequest.from_query({"count": sent}).count == count
    assert SearchRequest.from_body({"count": int(sent)}).count == count


def test_an_empty_cursor_asks_for_the_first_page():
    """RFC 9865 section 2: "cursor" without a value begins paging by cursors."""
    assert SearchRequest.from_query({"cursor": ""}).cursor == ""
    assert SearchRequest.from_query({}).cursor is None


def test_the_order_counts_in_any_case():
    assert SearchRequest.from_query({"sortOrder": "Descending"}).sort_order == "descending"


@pytest.mark.parametrize(
    "query",
    [
        {"count": "ten"},
        {"count": "1.5"},
        {"count": "\u0661"},
        {"startIndex": "1 2"},
        {"sortOrder": "up"},
    ],
    ids=repr,
)
def test_a_parameter_that_can_t_be_read_is_refused(query):
    (name,) = query
    with pytest.raises(InvalidValue, match=name):
        SearchRequest.from_query(query)


@pytest.mark.parametrize(
    "body",
    [
        {"count": "10"},
        {"count": True},
        {"startIndex": 1.0},
        {"filter": ["title pr"]},
        {"attributes": "title"},
        {"attributes": [1]},
        {"sortBy": 1},
        {"cursor": 1},
    ],
    ids=repr,
)
def test_a_member_of_another_type_is_refused(body):
    (name,) = body
    with pytest.raises(InvalidValue, match=name):
        SearchRequest.from_body(body)


@pytest.mark.parametrize(
    "body",
    [None, [], "x", {"schemas": "x"}, {"schemas": [1]}, {"schemas": [urns.PATCH_OP]},
     {"count": 1, "COUNT": 2}],
    ids=repr,
)  # fmt: skip
def test_another_message_is_refused(body):
    with pytest.raises(InvalidSyntax):
        SearchRequest.from_body(body)


def test_the_repr_of_a_search_hides_its_filter():
    assert "secret" not in repr(SearchRequest.from_query({"filter": 'userName eq "secret"'}))


def test_a_list_has_its_four_members_even_when_it_is_empty():
    """RFC 7644 section 3.4.2; Entra's test of a connection reads "Resources"."""
    assert list_response([], 0) == {
        "schemas": [urns.LIST_RESPONSE],
        "totalResults": 0,
        "startIndex": 1,
        "itemsPerPage": 0,
        "Resources": [],
    }
    page = list_response([{"id": "1"}], 100, 11)
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (100, 11, 1)


def patch_body(*operations):
    return {"schemas": [urns.PATCH_OP], "Operations": list(operations)}


def test_the_operations_of_a_patch():
    operations = [
        {"op": "Add", "path": "title", "value": "x"},
        {"op": "replace", "value": {"title": None}},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": None, "value": None},
    ]
    assert read_patch_envelope(patch_body(*operations)) == [
        Operation("Add", "title", "x"),
        Operation("replace", None, {"title": None}),
        Operation("remove", "title"),
        Operation("add", None, None),
    ]


def test_names_of_members_count_in_any_case_and_others_are_left_out():
    body = {"operations": [{"OP": "add", "Path": "title", "Value": "x", "note": "y"}]}
    assert read_patch_envelope(body) == [Operation("add", "title", "x")]


def test_no_operations_are_none():
    """Microsoft's validator sends an empty list and wants a success."""
    assert read_patch_envelope(patch_body()) == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"Operations": {}},
        {"schemas": [urns.SEARCH_REQUEST], "Operations": []},
        {"Operations": [], "operations": []},
        patch_body("add"),
        patch_body({"path": "title"}),
        patch_body({"op": 1, "path": "title"}),
        patch_body({"op": "remove", "path": ["title"]}),
        patch_body({"op": "remove", "OP": "add"}),
    ],
    ids=repr,
)
def test_what_is_no_patch_is_refused(body):
    with pytest.raises(InvalidSyntax):
        read_patch_envelope(body)


@pytest.mark.parametrize("op", ["add", "replace", "Replace"])
def test_an_add_and_a_replace_need_a_value(op):
    """RFC 7644 sections 3.5.2.1 and 3.5.2.3: "The operation MUST contain a "value" member"."""
    with pytest.raises(InvalidValue, match="operation 2"):
        read_patch_envelope(
            patch_body({"op": "remove", "path": "title"}, {"op": op, "path": "title"})
        )


def nested(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"x": [value]} if levels % 2 else {"x": value}
    return value


def test_json_is_read():
    assert read_json(b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xa9", null]}') == {"a": [1, 2.5, "é", None]}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{'a': 1}", b"\xff", b"\xff\xfe{\x00}\x00", b'{"a": NaN}', b"[-Infinity]",
     b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"9" * 5000 + b"]"],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_is_no_json_is_refused(data):
    with pytest.raises(InvalidSyntax):
        read_json(data)


def test_a_body_is_no_deeper_than_its_cap():
    check_depth(nested(MAX_DEPTH))
    with pytest.raises(InvalidSyntax, match=str(MAX_DEPTH)):
        check_depth(nested(MAX_DEPTH + 1))


@given(st.binary(max_size=60))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_are_json_or_refused(data):
    try:
        body = read_json(data)
    except InvalidSyntax:
        return
    for read in (read_patch_envelope, SearchRequest.from_body):
        with contextlib.suppress(InvalidSyntax, InvalidValue):
            read(body)

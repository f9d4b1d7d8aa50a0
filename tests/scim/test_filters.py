"""The grammar of filters (RFC 7644 section 3.4.2.2)."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim.errors import InvalidFilter
from flask_scim_provisioning.scim.filters import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NESTING,
    MAX_TERMS,
    And,
    AttrPath,
    Compare,
    Not,
    Or,
    Present,
    Select,
    negation,
    nesting,
    parse_filter,
    render,
)

from ..thorough import examples
from .strategies import ENTERPRISE, any_filters


def path(name, sub=None, urn=None):
    return AttrPath(urn, name, sub)


A, B, C = (Present(path(name)) for name in "abc")

# The examples of RFC 7644 section 3.4.2.2, figure 1, and their trees.
OF_THE_RFC = {
    'userName eq "bjensen"': Compare(path("userName"), "eq", "bjensen"),
    """name.familyName co "O'Malley\"""": Compare(path("name", "familyName"), "co", "O'Malley"),
    'userName sw "J"': Compare(path("userName"), "sw", "J"),
    'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"': Compare(
        path("userName", urn="urn:ietf:params:scim:schemas:core:2.0:User"), "sw", "J"
    ),
    "title pr": Present(path("title")),
    'meta.lastModified gt "2011-05-13T04:42:34Z"': Compare(
        path("meta", "lastModified"), "gt", "2011-05-13T04:42:34Z"
    ),
    'meta.lastModified ge "2011-05-13T04:42:34Z"': Compare(
        path("meta", "lastModified"), "ge", "2011-05-13T04:42:34Z"
    ),
    'meta.lastModified lt "2011-05-13T04:42:34Z"': Compare(
        path("meta", "lastModified"), "lt", "2011-05-13T04:42:34Z"
    ),
    'meta.lastModified le "2011-05-13T04:42:34Z"': Compare(
        path("meta", "lastModified"), "le", "2011-05-13T04:42:34Z"
    ),
    'title pr and userType eq "Employee"': And(
        (Present(path("title")), Compare(path("userType"), "eq", "Employee"))
    ),
    'title pr or userType eq "Intern"': Or(
        (Present(path("title")), Compare(path("userType"), "eq", "Intern"))
    ),
    'schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"': Compare(
        path("schemas"), "eq", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ),
    'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")': And(
        (
            Compare(path("userType"), "eq", "Employee"),
            Or(
                (
                    Compare(path("emails"), "co", "example.com"),
                    Compare(path("emails", "value"), "co", "example.org"),
                )
            ),
        )
    ),
    'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")': (
        And(
            (
                Compare(path("userType"), "ne", "Employee"),
                # "not (a or b)", with "not" at the comparisons.
                Not(Compare(path("emails"), "co", "example.com")),
                Not(Compare(path("emails", "value"), "co", "example.org")),
            )
        )
    ),
    'userType eq "Employee" and (emails.type eq "work")': And(
        (
            Compare(path("userType"), "eq", "Employee"),
            Compare(path("emails", "type"), "eq", "work"),
        )
    ),
    'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]': And(
        (
            Compare(path("userType"), "eq", "Employee"),
            Select(
                path("emails"),
                And(
                    (
                        Compare(path("type"), "eq", "work"),
                        Compare(path("value"), "co", "@example.com"),
                    )
                ),
            ),
        )
    ),
    'emails[type eq "work" and value co "@example.com"] or '
    'ims[type eq "xmpp" and value co "@foo.com"]': Or(
        (
            Select(
                path("emails"),
                And(
                    (
                        Compare(path("type"), "eq", "work"),
                        Compare(path("value"), "co", "@example.com"),
                    )
                ),
            ),
            Select(
                path("ims"),
                And(
                    (
                        Compare(path("type"), "eq", "xmpp"),
                        Compare(path("value"), "co", "@foo.com"),
                    )
                ),
            ),
        )
    ),
}

MORE = {
    "a pr and b pr or c pr": Or((And((A, B)), C)),
    "a pr or b pr and c pr": Or((A, And((B, C)))),
    "a pr and (b pr or c pr)": And((A, Or((B, C)))),
    "(a pr and b pr) and c pr": And((A, B, C)),
    "((a pr))": A,
    "not (a pr) and b pr": And((Not(A), B)),
    "not(a pr)": Not(A),
    "not (not (a pr))": A,
    "not (a pr and (b pr or not (c pr)))": Or((Not(A), And((Not(B), C)))),
    "NOT (a PR) AND b Pr oR c pr": Or((And((Not(A), B)), C)),
    "e[not (a pr) and (b pr or c pr)]": Select(path("e"), And((Not(A), Or((B, C))))),
    'a EQ "x"': Compare(path("a"), "eq", "x"),
    "a eq true": Compare(path("a"), "eq", True),
    "a eq false": Compare(path("a"), "eq", False),
    "a eq null": Compare(path("a"), "eq", None),
    "a gt -1.5e2": Compare(path("a"), "gt", -150.0),
    "a gt 0": Compare(path("a"), "gt", 0),
    "a eq 9223372036854775807": Compare(path("a"), "eq", 2**63 - 1),
    r'a eq "\"\\\/\u00e9\ud83d\ude00"': Compare(path("a"), "eq", '"\\/é😀'),
    'a eq "x and (y) pr"': Compare(path("a"), "eq", "x and (y) pr"),
    'a eq ""': Compare(path("a"), "eq", ""),
    '$ref eq "x"': Compare(path("$ref"), "eq", "x"),
    'members.$ref eq "x"': Compare(path("members", "$ref"), "eq", "x"),
    f'{ENTERPRISE}:manager.value eq "x"': Compare(path("manager", "value", ENTERPRISE), "eq", "x"),
    f"{ENTERPRISE}:list[a pr]": Select(path("list", urn=ENTERPRISE), A),
    "never pr": Present(path("never")),
    "andy pr and order pr and notes pr": And(
        (Present(path("andy")), Present(path("order")), Present(path("notes")))
    ),
    "a pr\tand\nb pr ": And((A, B)),
}

BAD = {
    "": 1,
    "   ": 4,
    "userName": 9,
    "userName eq": 12,
    "userName eq x": 13,
    'userName eq "x': 13,
    "userName eq 'x'": 13,
    'userName xx "x"': 10,
    'eq "x"': 4,
    "pr": 3,
    "a pr b pr": 6,
    "a pr and": 9,
    "a pr and or b pr": 10,
    "and eq 1": 1,
    'or eq "x"': 1,
    'NOT eq "x"': 5,
    "not a pr": 5,
    "(a pr": 6,
    "a pr)": 5,
    "e[a pr": 7,
    "e[]": 3,
    "e[a pr]]": 8,
    "e[f[a pr]]": 5,
    "e.f[a pr]": 5,
    "e[a pr].b": 10,
    "a.b.c pr": 4,
    "a eq 01": 7,
    "a eq +1": 6,
    "a eq 1e999": 6,
    "a eq 9223372036854775808": 6,
    "a eq NaN": 6,
    r'a eq "\x"': 6,
    r'a eq "\ud800"': 6,
    r'a eq "\u0000"': 6,
    'a eq "\0"': 6,
    'a eq "\ud800"': 6,
    "1a pr": 1,
    "é pr": 1,
    "a eq [1]": 6,
    "a eq truely": 6,
    "a pr; drop": 5,
}


@pytest.mark.parametrize("text", [*OF_THE_RFC, *MORE])
def test_a_filter_and_its_tree(text):
    assert parse_filter(text) == (OF_THE_RFC | MORE)[text]


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_what_is_no_filter_is_refused_at_its_column(text):
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(text)
    assert caught.value.column == BAD[text]
    assert f"column {BAD[text]} " in caught.value.detail


def test_the_form_that_entra_sends_is_about_one_element():
    """Entra matches by e-mail with ``emails[type eq "work"].value eq "…"``, outside of the RFC."""
    assert parse_filter('emails[type eq "work"].value eq "a@b.c"') == Select(
        path("emails"),
        And((Compare(path("type"), "eq", "work"), Compare(path("value"), "eq", "a@b.c"))),
    )
    assert parse_filter("e[a pr or b pr].c pr") == Select(path("e"), And((Or((A, B)), C)))


@pytest.mark.parametrize("opening", ["(", "not (", "a[", "not(not("])
def test_a_filter_is_no_deeper_than_its_cap(opening):
    with pytest.raises(InvalidFilter):
        parse_filter(opening * 2000)


def test_parentheses_up_to_the_cap_are_read():
    assert parse_filter("(" * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH) == A
    with pytest.raises(InvalidFilter, match=str(MAX_DEPTH)):
        parse_filter("(" * (MAX_DEPTH + 1) + "a pr" + ")" * (MAX_DEPTH + 1))


def test_a_filter_is_no_longer_than_its_cap():
    with pytest.raises(InvalidFilter, match=str(MAX_LENGTH)):
        parse_filter(f'a eq "{"x" * MAX_LENGTH}" or a pr')


def test_many_terms_are_one_flat_tree():
    node = parse_filter(" or ".join(["a pr"] * MAX_TERMS))
    assert isinstance(node, Or)
    assert len(node.terms) == MAX_TERMS


@pytest.mark.parametrize(
    "text", [" or ".join(["a pr"] * (MAX_TERMS + 1)), f"a[{' and '.join(['b pr'] * 201)}]"]
)
def test_a_filter_makes_no_more_comparisons_than_its_cap(text):
    with pytest.raises(InvalidFilter, match=str(MAX_TERMS)):
        parse_filter(text)


def alternating(depth):
    """Return a filter whose ``and`` and ``or`` stand so deep in each other."""
    text = "a pr"
    for level in range(depth):
        text = f"b pr {('and', 'or')[level % 2]} ({text})"
    return text


def test_and_and_or_nest_no_deeper_than_their_cap():
    for text in (alternating(MAX_NESTING), f"e[{alternating(MAX_NESTING - 1)}]"):
        assert nesting(parse_filter(text)) == MAX_NESTING
    for text in (alternating(MAX_NESTING + 1), f"e[{alternating(MAX_NESTING)}]"):
        with pytest.raises(InvalidFilter, match=str(MAX_NESTING)):
            parse_filter(text)


def test_a_filter_is_the_contrary_of_its_negation_and_says_not_at_its_comparisons_only():
    node = parse_filter("not (" * MAX_DEPTH + "a pr and b pr" + ")" * MAX_DEPTH)
    assert node == And((A, B))
    assert negation(node) == Or((Not(A), Not(B)))
    assert negation(negation(node)) == node


def test_the_detail_has_no_value():
    with pytest.raises(InvalidFilter) as caught:
        parse_filter('userName eq "secret@example.com" xyz')
    assert "secret" not in caught.value.detail


def test_the_repr_of_a_comparison_hides_its_value():
    assert "secret" not in repr(parse_filter('userName eq "secret"'))


@given(any_filters)
@settings(max_examples=examples(300), deadline=None)
def test_a_tree_that_is_written_and_read_is_the_same_tree(node):
    assert parse_filter(render(node)) == node


@given(st.text(max_size=40) | st.text('()[]. "\\andornteqpr:urn1-$', max_size=40))
@example("urn:" * 100)
@example('a eq "' + "\\" * 99)
@settings(max_examples=examples(400), deadline=None)
def test_any_text_is_read_or_refused_and_nothing_else(text):
    try:
        node = parse_filter(text)
    except InvalidFilter:
        return
    assert parse_filter(render(node)) == node

"""Hypothesis strategies for what clients send: names, values, resources, filters and PATCHes."""

from typing import Any

from hypothesis import strategies as st

from flask_scim_provisioning.scim.attributes import Attribute, Mutability, Type
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type
from flask_scim_provisioning.scim.filters import (
    AttrPath,
    Compare,
    Filter,
    Present,
    Select,
    conjunction,
    disjunction,
    negation,
)
from flask_scim_provisioning.scim.patch import Operation
from flask_scim_provisioning.scim.paths import PatchPath

USERS = user_resource_type()
GROUPS = group_resource_type()
ENTERPRISE = USERS.extensions[0].id

# Few values, so that filters meet what they ask for; with the traps of case and of LIKE.
WORDS = ("work", "Work", "a", "A", "b", "ab", "50%", "x_y", 'say "hi"', "back\\slash", "É", "日本")
MOMENTS = ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-06-01T12:00:00.5Z")

words = st.sampled_from(WORDS)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
SIMPLE = {
    Type.STRING: words,
    Type.REFERENCE: st.sampled_from(("https://a.example/1", "https://a.example/2")),
    Type.BINARY: st.sampled_from(("YQ==", "YWI=")),
    Type.BOOLEAN: st.booleans(),
    Type.INTEGER: st.integers(-3, 3),
    Type.DECIMAL: st.integers(-3, 3) | st.sampled_from((0.5, -1.5)),
    Type.DATE_TIME: st.sampled_from(MOMENTS),
}

# Attributes of every shape; each one more would only make the search wider.
KEYS = (
    "userName",
    "externalId",
    "displayName",
    "title",
    "active",
    "name",
    "emails",
    "roles",
    "x509Certificates",
    "photos",
    f"{ENTERPRISE}:department",
    f"{ENTERPRISE}:manager",
)


def writable(attribute: Attribute) -> tuple[Attribute, ...]:
    return tuple(s for s in attribute.sub_attributes if s.mutability is not Mutability.READ_ONLY)


def value_of(attribute: Attribute) -> st.SearchStrategy[Any]:
    """One value, of an element where the attribute is multi-valued."""
    if attribute.name == "value" and attribute.description == "The e-mail address.":
        return st.sampled_from(("a@example.com", "A@example.com", "b@example.com"))
    if attribute.type is not Type.COMPLEX:
        return SIMPLE[attribute.type]
    subs = {sub.name: value_of(sub) for sub in writable(attribute)[:4]}
    return st.fixed_dictionaries({}, optional=subs).filter(bool)


def one_primary(elements: list[Any]) -> list[Any]:
    seen = False
    for element in elements:
        if isinstance(element, dict) and element.get("primary") is True:
            if seen:
                element["primary"] = False
            seen = True
    return elements


def whole_value(attribute: Attribute) -> st.SearchStrategy[Any]:
    if attribute.multi_valued:
        return st.lists(value_of(attribute), min_size=1, max_size=3).map(one_primary)
    return value_of(attribute)


users: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"userName": words},
    optional={key: whole_value(USERS.keys[key]) for key in KEYS if key != "userName"},
)


def attr_path(key: str, sub: str | None = None) -> AttrPath:
    urn, _, name = key.rpartition(":")
    return AttrPath(urn or None, name, sub)


def places() -> list[tuple[str, Attribute, Attribute | None]]:
    """Everything of the sample that can be compared."""
    found: list[tuple[str, Attribute, Attribute | None]] = []
    for key in KEYS:
        attribute = USERS.keys[key]
        if attribute.type is not Type.COMPLEX or attribute.multi_valued:
            found.append((key, attribute, None))
        found.extend((key, attribute, sub) for sub in writable(attribute)[:4])
    return found


@st.composite
def comparisons(draw: st.DrawFn, path: AttrPath, leaf: Attribute) -> Filter:
    if draw(st.integers(0, 4)) == 0:
        return Present(path)
    operators = ["eq", "ne"]
    if leaf.type in (Type.STRING, Type.REFERENCE):
        operators += ["co", "sw", "ew", "gt", "ge", "lt", "le"]
    elif leaf.type in (Type.DATE_TIME, Type.INTEGER, Type.DECIMAL):
        operators += ["gt", "ge", "lt", "le"]
    return Compare(path, draw(st.sampled_from(operators)), draw(value_of(leaf)))


def leaf_of(attribute: Attribute, sub: Attribute | None) -> Attribute:
    if sub is None and attribute.type is Type.COMPLEX:
        value = attribute.sub("value")
        assert value is not None
        return value
    return sub or attribute


def logic(terms: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    """``and``, ``or`` and ``not`` over terms, in the flat form that the parser makes."""
    return st.recursive(
        terms,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(conjunction),
            st.lists(inner, min_size=2, max_size=3).map(disjunction),
            inner.map(negation),
        ),
        max_leaves=5,
    )


def element_filters(attribute: Attribute) -> st.SearchStrategy[Filter]:
    """What may stand in brackets behind the attribute."""
    return logic(
        st.one_of([comparisons(AttrPath(None, sub.name), sub) for sub in writable(attribute)[:4]])
    )


filters: st.SearchStrategy[Filter] = logic(
    st.one_of(
        [comparisons(attr_path(k, s and s.name), leaf_of(a, s)) for k, a, s in places()]
        + [
            st.builds(Select, st.just(attr_path(key)), element_filters(USERS.keys[key]))
            for key in KEYS
            if USERS.keys[key].multi_valued
        ]
    )
)


# Trees that need no schema: any name, any literal.
_names = st.from_regex(r"\$?[A-Za-z][A-Za-z0-9$_-]{0,5}", fullmatch=True).filter(
    lambda name: name.lower() not in {"and", "or", "not", "pr"}
)
_urns = st.sampled_from((None, ENTERPRISE, "urn:example:a.b:1.0"))
any_paths = st.builds(AttrPath, _urns, _names, st.none() | _names)
_literals = (
    texts
    | st.booleans()
    | st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
_operators = st.sampled_from(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))
_any_terms = st.builds(Compare, any_paths, _operators, _literals) | st.builds(Present, any_paths)
any_filters: st.SearchStrategy[Filter] = logic(
    _any_terms
    | st.builds(Select, any_paths.map(lambda p: AttrPath(p.urn, p.name)), logic(_any_terms))
)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """An operation that fits the schema, more or less."""
    op = draw(st.sampled_from(("add", "replace", "remove")))
    key, attribute, sub = draw(st.sampled_from([*places(), ("name", USERS.keys["name"], None)]))
    condition = None
    if attribute.multi_valued and draw(st.booleans()):
        condition = draw(element_filters(attribute))
    if condition is None:
        path = PatchPath(attr_path(key, sub and sub.name))
    else:
        path = PatchPath(attr_path(key), condition, sub and sub.name)
    if op == "remove":
        return Operation(op, str(path))
    if sub is not None:
        value = draw(value_of(sub))
    elif condition is not None or not attribute.multi_valued:
        value = draw(value_of(attribute))
    else:
        value = draw(whole_value(attribute))
    if condition is None and draw(st.integers(0, 3)) == 0:
        return Operation(op, None, {str(path): value})
    return Operation(op, str(path), value)

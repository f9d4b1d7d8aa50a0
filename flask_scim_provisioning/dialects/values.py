"""Values that have another shape than their attribute: the rewrites that dialects are made of.

A rewrite takes an attribute, the value sent for it and what the place is called, and returns the
value as the RFC has it. ``WHOLE`` rewrites see the value of a whole attribute, ``LEAF`` rewrites
that of a simple attribute or sub-attribute.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..scim.attributes import Attribute, Type
from .notes import Notes, leave

Rewrite = Callable[[Attribute, Any, str, Notes], Any]

_BOOLEANS = {"true": True, "false": False}


def member_of(value: Mapping[str, Any], name: str) -> Any:
    """Return what an object has under a name in any case (RFC 7643 section 2.1), or ``None``."""
    if name in value:
        return value[name]
    folded = name.lower()
    return next((item for key, item in value.items() if key.lower() == folded), None)


def boolean_from_string(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``"False"`` becomes ``false`` where the attribute is boolean.

    Source: Entra maps ``active`` by ``Switch([IsSoftDeleted], , "False", "True", …)`` and sends the
    strings unless the tenant URL has the flag ``aadOptscim062020``.
    """
    if attribute.type is not Type.BOOLEAN or not isinstance(value, str):
        return value
    boolean = _BOOLEANS.get(value.strip().lower())
    if boolean is None:
        return value
    leave(notes, f'string "{value.strip()}" read as {str(boolean).lower()} at {where}')
    return boolean


def list_from_single_value(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """One value becomes a list of one where the attribute is multi-valued.

    Source: Microsoft's own group PATCH code takes ``"value": "id"`` for ``members``; others send
    one object.
    """
    if not attribute.multi_valued or value is None or isinstance(value, list | tuple):
        return value
    leave(notes, f"single value read as a list at {where}")
    return [value]


def single_value_from_list(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """A list of one becomes its element where the attribute has one complex value.

    Source: Entra's documentation shows ``"value": [{"$ref": …, "value": …}]`` for ``manager``.
    """
    if attribute.multi_valued or attribute.type is not Type.COMPLEX:
        return value
    if not isinstance(value, list | tuple) or len(value) > 1:
        return value
    leave(notes, f"list read as its only value at {where}")
    return value[0] if value else None


def objects_from_plain_values(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``"x"`` becomes ``{"value": "x"}`` where the attribute is complex and has a ``value``.

    Source: Entra sends the manager as a string, Okta's template sends ``roles`` as strings, and
    member ids come as bare strings from several clients.
    """
    if attribute.type is not Type.COMPLEX or attribute.sub("value") is None:
        return value
    if isinstance(value, str):
        leave(notes, f"string read as an object with a value at {where}")
        return {"value": value}
    if isinstance(value, list | tuple) and any(isinstance(item, str) for item in value):
        leave(notes, f"string read as an object with a value at {where}")
        return [{"value": item} if isinstance(item, str) else item for item in value]
    return value


def plain_values_from_objects(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``{"value": "x"}`` becomes ``"x"`` where the attribute is a list of simple values.

    Source: Entra sends the values of a multi-valued custom attribute as objects.
    """
    if attribute.type is Type.COMPLEX or not isinstance(value, list | tuple):
        return value
    if not attribute.multi_valued or not any(isinstance(item, Mapping) for item in value):
        return value
    leave(notes, f"objects read as their values at {where}")
    return [member_of(item, "value") if isinstance(item, Mapping) else item for item in value]


def nothing_from_empty_reference(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``{"value": ""}`` and ``{"value": null}`` become nothing where there is one complex value.

    Source: Entra's gallery tests clear the manager with ``""``, its validator with
    ``{"value": ""}``; the manager has to be absent afterwards.
    """
    if attribute.multi_valued or attribute.type is not Type.COMPLEX:
        return value
    if attribute.sub("value") is None or not isinstance(value, Mapping):
        return value
    if not _says_it_is_empty(value):
        return value
    leave(notes, f"empty value read as no value at {where}")
    return None


def nothing_from_empty_string(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``""`` becomes nothing where the attribute isn't required.

    Source: Entra's gallery null test clears a title with ``""``; Okta's full profile push writes
    empty mapped values, such as ``"middleName": ""``.
    """
    if value != "" or attribute.required or attribute.multi_valued:
        return value
    leave(notes, f"empty string read as no value at {where}")
    return None


def elements_without_value_dropped(
    attribute: Attribute, value: Any, where: str, notes: Notes
) -> Any:
    """An element that says its ``value`` is empty is none.

    Source: Okta writes each mapped element, such as ``emails.^[primary==false].value``, also where
    the person has no second address.
    """
    if not isinstance(value, list | tuple) or attribute.sub("value") is None:
        return value
    kept = [item for item in value if not _says_it_is_empty(item)]
    if len(kept) == len(value):
        return value
    leave(notes, f"empty element left out at {where}")
    return kept


def _says_it_is_empty(element: Any) -> bool:
    return (
        isinstance(element, Mapping)
        and any(name.lower() == "value" for name in element)
        and member_of(element, "value") in (None, "")
    )


def scalar_from_wrapped_value(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """``[{"$ref": null, "value": "x"}]`` becomes ``"x"`` where the attribute is simple.

    Source: the form that old Microsoft server libraries wanted, still met for ``displayName``.
    """
    if attribute.multi_valued or attribute.type is Type.COMPLEX:
        return value
    element = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    if not isinstance(element, Mapping) or "value" not in element:
        return value
    leave(notes, f"object read as its value at {where}")
    return element["value"]


def roles_from_json_text(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """A role whose value is JSON in a string becomes a role of its own.

    Source: Entra's ``SingleAppRoleAssignment`` and ``AppRoleAssignmentsComplex`` send the whole
    assignment, with ``id``, ``value`` and ``displayName``, as text in ``value``.
    """
    if attribute.name != "roles" or not isinstance(value, list | tuple):
        return value
    return [_role_from_json_text(item, where, notes) for item in value]


def _role_from_json_text(role: Any, where: str, notes: Notes) -> Any:
    text = role.get("value") if isinstance(role, Mapping) else None
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return role
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return role
    if not isinstance(inner, dict) or not isinstance(inner.get("value"), str):
        return role
    leave(notes, f"JSON in a string read as an object at {where}")
    display = inner.get("displayName")
    named = {"display": display} if isinstance(display, str) else {}
    return {**role, **named, "value": inner["value"]}


def display_from_display_name(attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
    """A role's ``displayName`` becomes its ``display``.

    Source: Entra's ``AppRoleAssignmentsComplex`` says ``displayName`` on create, where RFC 7643
    section 4.1.2 says ``display``.
    """
    if attribute.name != "roles" or not isinstance(value, list | tuple):
        return value
    return [_with_display(item, where, notes) for item in value]


def _with_display(role: Any, where: str, notes: Notes) -> Any:
    if not isinstance(role, Mapping) or "displayName" not in role or "display" in role:
        return role
    leave(notes, f"displayName read as display at {where}")
    renamed = {name: item for name, item in role.items() if name != "displayName"}
    return {**renamed, "display": role["displayName"]}


WHOLE: tuple[Rewrite, ...] = (
    single_value_from_list,
    list_from_single_value,
    objects_from_plain_values,
    plain_values_from_objects,
    nothing_from_empty_reference,
)
"""What every dialect does with the value of a whole attribute."""

LEAF: tuple[Rewrite, ...] = (boolean_from_string,)
"""What every dialect does with the value of a simple attribute or sub-attribute."""


class ValueRewriter:
    """Applies rewrites to values, into their sub-attributes.

    :param whole: Rewrites for whole attributes, applied in order.
    :param leaf: Rewrites for simple attributes and for sub-attributes, applied in order.
    """

    def __init__(self, whole: Iterable[Rewrite], leaf: Iterable[Rewrite]) -> None:
        self._whole = tuple(whole)
        self._leaf = tuple(leaf)
        # Most attributes are no booleans, and most rewrites of theirs are about those.
        others = tuple(rewrite for rewrite in self._leaf if rewrite is not boolean_from_string)
        self._leaf_of = {kind: self._leaf if kind is Type.BOOLEAN else others for kind in Type}

    def value(self, attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
        """Rewrite the value of a whole attribute."""
        for rewrite in self._whole:
            value = rewrite(attribute, value, where, notes)
        if attribute.type is not Type.COMPLEX:
            return self.leaf(attribute, value, where, notes)
        if isinstance(value, list | tuple):
            return [self.element(attribute, item, where, notes) for item in value]
        return self.element(attribute, value, where, notes)

    def element(self, attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
        """Rewrite the sub-attributes of one complex value."""
        if not isinstance(value, Mapping):
            return value
        rewritten = {}
        for name, item in value.items():
            sub = attribute.sub(name) if item is not None else None
            if sub is None or not self._leaf_of[sub.type]:
                rewritten[name] = item
            else:
                rewritten[name] = self.leaf(sub, item, f"{where}.{sub.name}", notes)
        return rewritten

    def leaf(self, attribute: Attribute, value: Any, where: str, notes: Notes) -> Any:
        """Rewrite the value of a simple attribute or sub-attribute."""
        for rewrite in self._leaf_of[attribute.type]:
            value = rewrite(attribute, value, where, notes)
        return value

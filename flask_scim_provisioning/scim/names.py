"""Between a SCIM resource as it is sent and the flat form that the house works with.

A flat resource is a dictionary from flat keys (see :attr:`ResourceType.keys`) to canonical values.
``None`` stands where a client said that there is no value; what it didn't name isn't there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .attributes import Attribute, Mutability, ResourceType, Schema
from .errors import InvalidSyntax, InvalidValue, shown, shown_notes
from .values import check

Flat = dict[str, Any]


class Checked(Flat):
    """A flat resource whose values fit their attributes, so that nobody has to check them again."""

    def vouches(self, key: str | None, value: Any) -> bool:
        """Say whether this is the value that was checked, and not one that came later."""
        return key is not None and key in self and self[key] is value


_OLD_URNS = "urn:scim:schemas:"


def flatten(
    payload: Mapping[str, Any], resource_type: ResourceType, notes: list[str] | None = None
) -> Checked:
    """Return the flat form of the resource in the body of a POST or PUT.

    Names count in any case (RFC 7643 section 2.1). Attributes that the service sets itself are
    dropped (RFC 7644 section 3.3), and so are unknown ones, these with a note.

    :param notes: Where to say what was dropped.
    :raises InvalidSyntax: when the payload isn't an object, names an attribute twice, or has only
        the schemas of other resources.
    :raises InvalidValue: when a value doesn't fit its attribute; the detail names the attribute.
    """
    if not isinstance(payload, Mapping):
        raise InvalidSyntax("The body isn't a resource; send a JSON object.")
    flat = Checked()
    dropped: list[str] = []
    for name, key, attribute, value in _named(payload, resource_type, dropped):
        if attribute.name == "schemas" and key == "schemas":
            _check_schemas(value, resource_type)
        elif attribute.mutability is not Mutability.READ_ONLY:
            if key in flat:
                raise InvalidSyntax(f"{shown(name)} is given twice; send it once.")
            flat[key] = check(attribute, value, shown(name), notes=dropped)
    if notes is not None:
        notes.extend(shown_notes(dropped))
    return flat


def require(flat: Mapping[str, Any], resource_type: ResourceType) -> None:
    """Make sure that a whole resource has its required attributes (RFC 7643 section 2.2).

    :raises InvalidValue: when one is missing, or is a string without a visible character.
    """
    for key, attribute in resource_type.keys.items():
        if (
            not attribute.required
            or attribute.mutability is Mutability.READ_ONLY
            or key == "schemas"
        ):
            continue
        value = flat.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise InvalidValue(f"{attribute.name} is required; send a value that isn't empty.")


def nest(flat: Mapping[str, Any], resource_type: ResourceType) -> dict[str, Any]:
    """Return a flat resource as the JSON object that answers a client.

    ``schemas`` comes first, then the attributes in the order of the schemas, ``meta`` last. An
    extension is named in ``schemas`` when the resource has data of it (RFC 7643 section 3).
    """
    schemas = [resource_type.schema.id]
    resource: dict[str, Any] = {"schemas": schemas}
    own, extensions = resource_type.layout(tuple(flat))
    for key in own:
        value = flat[key]
        if value is not None:
            resource[key] = value
    for urn, places in extensions:
        values = {name: flat[key] for name, key in places if flat[key] is not None}
        if values:
            schemas.append(urn)
            resource[urn] = values
    if flat.get("meta") is not None:
        resource["meta"] = flat["meta"]
    return resource


def _named(
    payload: Mapping[str, Any], resource_type: ResourceType, notes: list[str]
) -> Iterator[tuple[str, str, Attribute, Any]]:
    """Find the attribute of each member of the payload, into the extension objects."""
    for name, value in payload.items():
        found = resource_type.find(None, name)
        if found is not None and (":" in name or ":" not in found[0]):
            yield name, *found, value
        elif (schema := resource_type.schema_named(name)) is not None:
            yield from _of_schema(schema, value, resource_type, notes)
        else:
            notes.append(f"unknown attribute {shown(name)} ignored")


def _of_schema(
    schema: Schema, value: Any, resource_type: ResourceType, notes: list[str]
) -> Iterator[tuple[str, str, Attribute, Any]]:
    if value is None:
        value = {attribute.name: None for attribute in schema.attributes}
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{schema.id} is a schema; send an object with its attributes.")
    for name, item in value.items():
        found = resource_type.find(schema.id, name)
        if found is not None:
            yield f"{schema.id}:{found[1].name}", *found, item
        else:
            notes.append(f"unknown attribute {schema.id}:{shown(name)} ignored")


def _check_schemas(value: Any, resource_type: ResourceType) -> None:
    """Refuse what was meant for another endpoint; what says nothing, says nothing wrong.

    RFC 7643 section 3: schemas names those of the resource. Source of the old URNs: templates of
    OneLogin's from before SCIM 2.0.
    """
    if value is None or value == []:
        return
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidValue("schemas is a list of URNs; send strings.")
    if not any(
        resource_type.schema_named(item) is not None or item.lower().startswith(_OLD_URNS)
        for item in value
    ):
        raise InvalidSyntax(
            f"schemas names no schema of a {resource_type.name}; send "
            f'["{resource_type.schema.id}"], or send the resource to its own endpoint.'
        )

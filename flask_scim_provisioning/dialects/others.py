"""Identity providers that differ from the RFC in little, or that nobody has described on the wire.

Each of them knows no way to repeat what was refused for one attribute or one member of many, so
they are all lenient about these.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ..scim.messages import check_depth
from ..scim.urns import ENTERPRISE_USER
from . import operations, values
from .base import Dialect
from .notes import Notes, leave
from .operations import without_service_made_attributes

_OLD_ENTERPRISE = frozenset(
    {"urn:scim:schemas:extension:enterprise:2.0", "urn:scim:schemas:extension:enterprise:1.0"}
)


def enterprise_extension_from_old_urn(body: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Read the extension under ``urn:scim:schemas:extension:enterprise:2.0`` as the enterprise one.

    Source: logged calls of OneLogin, whose templates have the URNs from before SCIM 2.0.
    """
    old = [name for name in body if name.lower() in _OLD_ENTERPRISE]
    if not old or any(name.lower() == ENTERPRISE_USER.lower() for name in body):
        return body
    leave(notes, f"{old[0].lower()} read as {ENTERPRISE_USER}")
    rest = {name: item for name, item in body.items() if name.lower() not in _OLD_ENTERPRISE}
    return {**rest, ENTERPRISE_USER: body[old[0]]}


def object_from_json_text(text: str, notes: Notes) -> Any:
    """An object that is JSON inside a string becomes the object.

    Source: scim-for-keycloak, whose reconciliation sends a ``replace`` without a path so.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    check_depth(value)
    leave(notes, "JSON in a string read as an object in an operation without a path")
    return value


class _Careful(Dialect):
    """What the providers of this module have in common."""

    lenient: ClassVar[bool] = True
    skip_unknown_members: ClassVar[bool] = True


class OneLogin(_Careful):
    """OneLogin, where an administrator writes a template of the body."""

    name: ClassVar[str] = "onelogin"
    title: ClassVar[str] = "OneLogin"
    mapping_page: ClassVar[str] = "in OneLogin: Configuration, SCIM JSON Template, and Parameters"

    # A macro without a value leaves an empty string.
    leaf_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.LEAF,
        values.nothing_from_empty_string,
    )
    whole_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.WHOLE,
        values.elements_without_value_dropped,
    )
    body_rewrites: ClassVar[tuple[operations.BodyRewrite, ...]] = (
        without_service_made_attributes,
        enterprise_extension_from_old_urn,
    )
    pathless_rewrites: ClassVar[tuple[operations.BodyRewrite, ...]] = (
        *_Careful.pathless_rewrites,
        enterprise_extension_from_old_urn,
    )


class JumpCloud(_Careful):
    """JumpCloud, which makes a user and a group for a test, and deletes them again."""

    name: ClassVar[str] = "jumpcloud"
    title: ClassVar[str] = "JumpCloud"


class Google(_Careful):
    """Google Workspace, which sends users only and describes nothing of it."""

    name: ClassVar[str] = "google"
    title: ClassVar[str] = "Google Workspace"


class PingOne(_Careful):
    """PingOne and PingFederate, where an administrator may write the filter."""

    name: ClassVar[str] = "pingone"
    title: ClassVar[str] = "PingOne"


class Authentik(_Careful):
    """authentik, which sends the whole object of a group back in a PATCH without a path."""

    name: ClassVar[str] = "authentik"
    title: ClassVar[str] = "authentik"
    mapping_page: ClassVar[str] = "in authentik: the property mappings of the SCIM provider"


class Keycloak(_Careful):
    """Keycloak with one of its SCIM plug-ins."""

    name: ClassVar[str] = "keycloak"
    title: ClassVar[str] = "Keycloak"

    # Its plug-in finds an e-mail address by a filter that the address may not meet yet.
    create_missing: ClassVar[bool] = True
    # Its extensions leave empty lists out, so that the last member would never be removed.
    put_clears_members: ClassVar[bool] = True
    text_rewrites: ClassVar[tuple[operations.TextRewrite, ...]] = (object_from_json_text,)


class Rauthy(_Careful):
    """Rauthy, which sends the whole object of a group with its id in a PATCH without a path."""

    name: ClassVar[str] = "rauthy"
    title: ClassVar[str] = "Rauthy"


class Canaille(_Careful):
    """Canaille, which reads what there is and puts whole objects back."""

    name: ClassVar[str] = "canaille"
    title: ClassVar[str] = "Canaille"


OTHERS: tuple[Dialect, ...] = (
    OneLogin(),
    JumpCloud(),
    Google(),
    PingOne(),
    Authentik(),
    Keycloak(),
    Rauthy(),
    Canaille(),
)
"""One of each."""

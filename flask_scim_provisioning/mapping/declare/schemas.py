"""The Marshmallow schemas that a portal team declares; everything else is derived from them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import marshmallow
from marshmallow import SchemaOpts
from marshmallow.schema import SchemaMeta

from ...scim import attributes as scim
from ...scim.catalogue import group_resource_type, user_resource_type
from ...scim.errors import InvalidValue
from ...scim.names import Checked
from ..errors import MappingError
from .base import AttributeField, camel
from .fields import Stored

__all__ = ["GroupSchema", "ResourceOptions", "ResourceSchema", "UserSchema"]

_NEVER_FIELDS = frozenset({"schemas", "id", "meta", "externalId", "groups", "password"})
"""What the service keeps itself, computes, or never keeps unless a team maps it."""


class ResourceOptions(SchemaOpts):
    """The options of ``class Meta``.

    :ivar model: the host's model.
    :ivar extensions: a team's own extension schemas (``scim.attributes.Schema``).
    :ivar tenant: the column that says whose row it is, such as ``User.org_id``.
    :ivar tenant_value: turns the tenant of the URL into the value of that column.
    :ivar visible: SQL conditions; a row that doesn't meet them isn't there for SCIM.
    :ivar shared_by_tenants: that every tenant's integrations see all rows, which have no
        ``tenant``.
    :ivar administrators: of users; a SQL condition that says who administers the portal, such as
        ``User.is_admin`` or ``User.role.has(Role.is_admin)``, or a function without arguments that
        returns one. The last active one stays, and nobody becomes one unless the integration may
        make administrators.
    :ivar protected: called with the host's object; a sentence returned refuses every change of it
        over SCIM, taking it over and deleting it, such as for break-glass accounts.
    :ivar on_delete: ``"deactivate"`` keeps the host's row, ``"delete"`` deletes it.
    :ivar on_deactivate: called with the host's object when somebody becomes inactive, by a PATCH, a
        PUT or a DELETE, in the same transaction and after the row is written; before a row is
        deleted. It ends what the person owns, such as API keys, and neither commits nor rolls back.
        When it raises, nothing is changed, the answer is 503, and the next try calls it again. What
        it returns, a sentence or a list of them, is kept with the person's offboarding.
    :ivar on_reactivate: the same when somebody becomes active again.
    :ivar on_existing: ``"adopt"`` takes over a row of the host with the same name when an identity
        provider creates it, ``"refuse"`` answers 409.
    :ivar verified_email: a column, or a condition in SQL, that holds for people whose e-mail
        address the portal has verified, such as ``User.email_verified``. Without it, an address
        alone proves nothing, and who is met by it waits for a decision.
    :ivar signs_in_by_email: whether people sign in, or get a new password, by their e-mail address.
        It is then left as it is when somebody is taken over, unless the integration's policy says
        otherwise.
    :ivar last_sign_in: the column that says when somebody signed in last, such as
        ``User.last_login_at``; administrators see it where they decide about existing people.
    :ivar show_host_messages: whether the sentences of your own validators and setters
        (``ValueError``) are answered to the identity provider; without it, it gets one of ours.
    :ivar factory: makes the host's object of a new resource, given the values that were sent, by
        attribute (``userName``) and by part (``name.givenName``); it returns a new object, which
        the attributes are then written to. Without it, the model is called without arguments, or,
        where it wants some, made as SQLAlchemy makes what it loads.
    :ivar defaults: by attribute of the model, such as ``{User.role_id: 2}``, what new rows get: a
        value, or a function without arguments that returns one. Existing rows never do.
    :ivar read_only: nothing is written to the host's rows, as over a view or a subquery.
    :ivar unknown_members: of a group; what becomes of members whom SCIM doesn't know here.
        ``"skip"`` lets the others in and marks the activity entry as needing attention,
        ``"refuse"`` answers 400 and names them. Without it Entra and Okta are skipped for, which
        don't send a refused request again, and everybody else is refused.
    """

    def __init__(self, meta: type, **marshmallow_3: Any) -> None:
        super().__init__(meta, **marshmallow_3)
        self.model = getattr(meta, "model", None)
        self.extensions = tuple(getattr(meta, "extensions", ()))
        self.tenant = getattr(meta, "tenant", None)
        self.tenant_value = getattr(meta, "tenant_value", None)
        self.shared_by_tenants = bool(getattr(meta, "shared_by_tenants", False))
        self.visible = tuple(getattr(meta, "visible", ()))
        self.administrators = getattr(meta, "administrators", None)
        self.protected = getattr(meta, "protected", None)
        self.on_delete = getattr(meta, "on_delete", None)
        self.on_deactivate = getattr(meta, "on_deactivate", None)
        self.on_reactivate = getattr(meta, "on_reactivate", None)
        self.on_existing = getattr(meta, "on_existing", "adopt")
        self.verified_email = getattr(meta, "verified_email", None)
        self.signs_in_by_email = bool(getattr(meta, "signs_in_by_email", False))
        self.last_sign_in = getattr(meta, "last_sign_in", None)
        self.show_host_messages = bool(getattr(meta, "show_host_messages", False))
        self.factory = getattr(meta, "factory", None)
        self.defaults = dict(getattr(meta, "defaults", None) or {})
        self.read_only = bool(getattr(meta, "read_only", False))
        self.unknown_members = getattr(meta, "unknown_members", None)
        self.unknown = marshmallow.EXCLUDE
        self.register = False


class ResourceSchemaMeta(SchemaMeta):
    """Adds a stored field for every attribute of the catalogue that a schema doesn't declare."""

    @classmethod
    def get_declared_fields(
        mcs,  # noqa: N804 - Marshmallow's name for it
        klass: SchemaMeta,
        cls_fields: list[Any],
        inherited_fields: list[Any],
        dict_cls: type[dict[Any, Any]] = dict,
    ) -> dict[str, Any]:
        """Return the declared fields, by the flat keys of their attributes, and the stored ones.

        :raises MappingError: when a field names no attribute of the schema.
        """
        declared = super().get_declared_fields(klass, cls_fields, inherited_fields, dict_cls)
        make: Callable[..., scim.ResourceType] | None = getattr(klass, "make_resource_type", None)
        if make is None or klass.opts.model is None:
            return declared  # an abstract base; it has no model yet
        resource_type = make(klass.opts.extensions)
        klass.resource_type = resource_type  # type: ignore[attr-defined]
        taken = set()
        for name, field in list(declared.items()):
            if not isinstance(field, AttributeField):
                raise MappingError(
                    f"{klass.__name__}.{name} is a {type(field).__name__}: use the fields of "
                    "flask_scim_provisioning.fields, which know the columns."
                )
            found = resource_type.find(None, camel(name))
            if found is None:
                raise MappingError(_unknown(klass.__name__, name, resource_type))
            field.key, field.scim = found
            taken.add(found[0])
        for key, attribute in resource_type.keys.items():
            if key in taken or key in _NEVER_FIELDS or attribute.name == "members":
                continue
            stored = Stored()
            stored.key, stored.scim = key, attribute
            # Marshmallow takes the dots of a name for a path into nested values; a URN has some.
            declared[key.replace(".", "_")] = stored
        return declared


def _unknown(owner: str, name: str, resource_type: scim.ResourceType) -> str:
    names = [attribute.name for attribute in resource_type.keys.values()]
    near = difflib.get_close_matches(camel(name), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "declare it in Meta.extensions."
    return f"{owner}.{name}: SCIM's {resource_type.name} has no attribute {camel(name)!r}; {hint}"


class ResourceSchema(marshmallow.Schema, metaclass=ResourceSchemaMeta):
    """The base of :class:`UserSchema` and :class:`GroupSchema`.

    ``load`` takes a resource in flat form (see ``scim.names``) and returns it by field; ``dump``
    is its inverse. Values are in SCIM's types on both sides; Marshmallow's validators see them.
    """

    OPTIONS_CLASS = ResourceOptions
    resource_type: ClassVar[scim.ResourceType]
    lookup: ClassVar[str]

    def __init__(self, **kwargs: Any) -> None:
        self.keys_by_field: dict[str, str] = {}
        super().__init__(**kwargs)

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        """Give each field the characteristics of its attribute."""
        attribute = field_obj.scim
        self.keys_by_field[field_name] = field_obj.key
        field_obj.data_key = field_obj.key
        field_obj.required = attribute.required
        field_obj.allow_none = not attribute.required
        field_obj.load_only = attribute.mutability is scim.Mutability.WRITE_ONLY
        field_obj.dump_only = attribute.mutability is scim.Mutability.READ_ONLY

    @functools.cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(
            field.data_key
            for field in self.load_fields.values()
            if field.required and field.data_key
        )

    @functools.cached_property
    def _fills_in(self) -> bool:
        """Whether loading does anything about attributes that aren't given."""
        return any(self._hooks.values())

    def validated(self, flat: Mapping[str, Any], *, partial: bool) -> dict[str, Any]:
        """Return the values that passed the team's validators, by flat key.

        :param partial: only some attributes are given, as in a PATCH.
        :raises InvalidValue: when one didn't; the detail names the attribute.
        """
        # What isn't given needs no look, unless a team's hook wants one.
        partial = partial or (not self._fills_in and self._required <= flat.keys())
        # What a hook of the team's has had in its hands is checked once more.
        checked = isinstance(flat, Checked) and not self._fills_in
        try:
            loaded = self.load(Checked(flat) if checked else dict(flat), partial=partial)
        except marshmallow.ValidationError as error:
            raise InvalidValue(_sentence(error.messages_dict)) from None
        return {self.keys_by_field[name]: value for name, value in loaded.items()}


def _sentence(messages: Mapping[Any, Any]) -> str:
    parts = []
    for key, found in messages.items():
        texts = found if isinstance(found, list) else [str(found)]
        name = str(key).rsplit(":", 1)[-1]
        parts.append(" ".join(t if t.startswith(name) else f"{name}: {t}" for t in map(str, texts)))
    return " ".join(parts)


class UserSchema(ResourceSchema):
    """How SCIM's User and Enterprise User live in the host's model (RFC 7643 sections 4.1, 4.3)."""

    make_resource_type = staticmethod(user_resource_type)
    lookup = "userName"


class GroupSchema(ResourceSchema):
    """How SCIM's Group lives in the host's model (RFC 7643 section 4.2)."""

    make_resource_type = staticmethod(group_resource_type)
    lookup = "displayName"

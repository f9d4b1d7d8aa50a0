"""A user's password: it is given to the host's own setter, and is in no other place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..scim import attributes
from ..scim.errors import InvalidValue
from .bindings import Binding, Unit
from .errors import MappingError
from .places import Place
from .slots import Write

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["Password", "PasswordBinding"]


class Password(Place):
    """A setter for the password: ``password = fields.Password(User.set_password)``.

    A password can be set and nothing else: it is never read, answered, filtered or sorted by, and
    the activity log keeps none. Without this field it is accepted and dropped. The setter is called
    once the other attributes are on the host's object, and only when a request has a password.

    :param write: called with the host's object and the password; it keeps a hash. A ``ValueError``
        with a sentence refuses the password.
    :param placeholders: take also the random password that Okta sends with each new user, whether
        passwords are synchronised or not. Who exists already keeps theirs in any case.

    RFC 7643 section 4.1.1.
    """

    def __init__(self, write: Write, *, placeholders: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._write = write
        self._placeholders = placeholders

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the setter."""
        if key != "password":
            raise MappingError(f"{site.schema_name}: fields.Password is for password, not {key}.")
        return PasswordBinding(key, attribute, self._write, placeholders=self._placeholders)


class PasswordBinding(Binding):
    """The setter of a password; there is nothing to read.

    :ivar placeholders: whether the team wants passwords that mean nothing, too.
    """

    def __init__(
        self, key: str, attribute: attributes.Attribute, write: Write, *, placeholders: bool
    ) -> None:
        super().__init__(key, attribute)
        self.placeholders = placeholders
        self.place = f"set by {getattr(write, '__qualname__', 'a function')}"
        self._set = write

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Give a password to the setter; nothing remains, and no password sets none.

        :raises InvalidValue: when the setter refuses it.
        """
        if not value:
            return
        try:
            self._set(entity, value)
        except ValueError as error:
            reason = str(error)
            # A detail is logged on both sides, and so must never tell the password.
            if not reason or value in reason:
                reason = "this portal refuses it; choose another one."
            raise InvalidValue(f"password: {reason}") from None

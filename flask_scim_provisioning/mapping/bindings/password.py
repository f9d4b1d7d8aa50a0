"""A user's password: it is given to the host's own setter, and is in no other place."""

from __future__ import annotations

from typing import Any

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from .base import Binding, Keeping, Unit
from .slots import Write

__all__ = ["PasswordBinding"]


class PasswordBinding(Binding):
    """The setter of a password; there is nothing to read."""

    keeping = Keeping.NOWHERE

    def __init__(
        self, key: str, attribute: scim.Attribute, write: Write, *, placeholders: bool
    ) -> None:
        super().__init__(key, attribute)
        self.takes_placeholders = placeholders
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

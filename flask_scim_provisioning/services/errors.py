"""What an administrator can be refused, declared once; the web floor maps classes to answers."""

from __future__ import annotations

__all__ = [
    "IntegrationError",
    "IntegrationInvalid",
    "IntegrationNameTaken",
    "IntegrationNotFound",
    "RoleNotFound",
]


class IntegrationError(Exception):
    """An act on an integration that can't be done; the message says what to do next.

    :ivar field: The name of the form field or option at fault, if there is one.
    """

    field: str | None = None


class IntegrationNotFound(IntegrationError):
    """The tenant has no integration with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such integration; the list of integrations has the others.")


class IntegrationNameTaken(IntegrationError):
    """Another integration of the tenant has the name."""

    field = "name"

    def __init__(self) -> None:
        super().__init__("Another integration has this name; choose a different one.")


class IntegrationInvalid(IntegrationError):
    """A value that no integration can have.

    :param field: Its name: ``name``, ``description``, ``type``, ``dialect``, ``tenant``, ``label``
        or ``state``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class RoleNotFound(IntegrationError):
    """The tenant has no such role."""

    def __init__(self) -> None:
        super().__init__(
            "There is no such role; a tenant's first integration makes SCIMProvisioner."
        )

"""Identity providers as administrators know them: their name, and their words for our values.

The prose of each setup guide stands in ``templates/scim_provisioning/guides/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PROVIDERS", "Provider", "provider_named"]


@dataclass(frozen=True)
class Provider:
    """One identity provider.

    :ivar name: The name of its dialect.
    :ivar title: What it is called in a sentence.
    :ivar label: What it is called by itself, in the form and in tables.
    :ivar hint: What choosing it means.
    :ivar endpoint_field: Its name for the endpoint URL; empty when nobody can know.
    :ivar token_field: Its name for the token.
    :ivar first_sync: When the first request is to be expected.
    """

    name: str
    title: str
    label: str
    hint: str
    endpoint_field: str
    token_field: str
    first_sync: str

    @property
    def template(self) -> str:
        """The template of the setup guide."""
        return f"scim_provisioning/guides/{self.name}.html"


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            Provider(
                name="entra",
                title="Microsoft Entra ID",
                label="Microsoft Entra ID",
                hint="Formerly Azure Active Directory. Sends changes about every 40 minutes.",
                endpoint_field="Tenant URL",
                token_field="Secret Token",  # noqa: S106 - the name of a field
                first_sync="Entra sends its first requests within minutes of “Start provisioning”, "
                "and then about every 40 minutes.",
            ),
            Provider(
                name="okta",
                title="Okta",
                label="Okta",
                hint="Sends each change within seconds.",
                endpoint_field="SCIM connector base URL",
                token_field="Authorization",  # noqa: S106 - the name of a field
                first_sync="Okta sends its first requests when you assign people to the app.",
            ),
            Provider(
                name="generic",
                title="the identity provider",
                label="Other (generic)",
                hint="Any client that follows SCIM 2.0, such as OneLogin, JumpCloud or a script.",
                endpoint_field="",
                token_field="",
                first_sync="Entries appear with the first change that your identity provider "
                "sends.",
            ),
        )
    }
)
"""The providers by dialect, in the order of the form."""


def provider_named(dialect: str) -> Provider:
    """Return the provider of a stored dialect; the generic one where it has no guide of its own."""
    return PROVIDERS.get(dialect, PROVIDERS["generic"])

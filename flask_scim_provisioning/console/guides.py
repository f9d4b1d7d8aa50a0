"""Identity providers as administrators know them: their name, and their words for our values.

The prose of each setup guide stands in ``templates/scim_provisioning/guides/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PROVIDERS", "Provider", "guides_for", "provider_named"]


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
    :ivar guide: The name of its setup guide; most do with the generic one.
    """

    name: str
    title: str
    label: str
    hint: str
    endpoint_field: str
    token_field: str
    first_sync: str
    guide: str = "generic"

    @property
    def template(self) -> str:
        """The template of the setup guide."""
        return f"scim_provisioning/guides/{self.guide}.html"


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
                guide="entra",
            ),
            Provider(
                name="okta",
                title="Okta",
                label="Okta",
                hint="Sends each change within seconds.",
                endpoint_field="SCIM connector base URL",
                token_field="Authorization",  # noqa: S106 - the name of a field
                first_sync="Okta sends its first requests when you assign people to the app.",
                guide="okta",
            ),
            Provider(
                name="onelogin",
                title="OneLogin",
                label="OneLogin",
                hint="Sends a template of yours, and deletes or suspends leavers as you choose.",
                endpoint_field="SCIM Base URL",
                token_field="SCIM Bearer Token",  # noqa: S106 - the name of a field
                first_sync="OneLogin sends its first requests when provisioning is enabled and "
                "people have the app.",
            ),
            Provider(
                name="jumpcloud",
                title="JumpCloud",
                label="JumpCloud",
                hint="Makes a user and a group for a test when it is activated, and deletes them.",
                endpoint_field="Base URL",
                token_field="Token Key",  # noqa: S106 - the name of a field
                first_sync="JumpCloud sends its first requests when you activate the connector.",
            ),
            Provider(
                name="google",
                title="Google Workspace",
                label="Google Workspace",
                hint="Sends people only, no groups; changes take some hours.",
                endpoint_field="Endpoint URL",
                token_field="Access token",  # noqa: S106 - the name of a field
                first_sync="Google sends its first requests some hours after autoprovisioning is "
                "switched on.",
            ),
            Provider(
                name="pingone",
                title="PingOne",
                label="PingOne or PingFederate",
                hint="Looks people up by user name, by e-mail address or by a filter of yours.",
                endpoint_field="SCIM Base URL",
                token_field="OAuth Access Token",  # noqa: S106 - the name of a field
                first_sync="PingOne sends its first requests when a rule of the connection is "
                "enabled.",
            ),
            Provider(
                name="authentik",
                title="authentik",
                label="authentik",
                hint="Reads what this portal can do first, and then sends each change.",
                endpoint_field="URL",
                token_field="Token",  # noqa: S106 - the name of a field
                first_sync="authentik sends its first requests when the provider is saved and has "
                "an application.",
            ),
            Provider(
                name="keycloak",
                title="Keycloak",
                label="Keycloak",
                hint="By one of its plug-ins for SCIM.",
                endpoint_field="",
                token_field="",
                first_sync="The plug-in sends its first requests with the first change of a user.",
            ),
            Provider(
                name="rauthy",
                title="Rauthy",
                label="Rauthy",
                hint="Sends each change, and the whole object of a group.",
                endpoint_field="Base URI",
                token_field="Bearer Token",  # noqa: S106 - the name of a field
                first_sync="Rauthy sends its first requests when SCIM is enabled for the client.",
            ),
            Provider(
                name="canaille",
                title="Canaille",
                label="Canaille",
                hint="Reads what this portal can do first, and then sends each change.",
                endpoint_field="",
                token_field="",
                first_sync="Canaille sends its first requests with the first change of a user.",
            ),
            Provider(
                name="generic",
                title="the identity provider",
                label="Other (generic)",
                hint="Any client that follows SCIM 2.0, such as Rippling or a script.",
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


def guides_for(dialect: str) -> list[Provider]:
    """Return a provider for each setup guide: the integration's own where several have the same."""
    own = provider_named(dialect)
    others = (provider for provider in PROVIDERS.values() if provider.guide == provider.name)
    return [own if provider.guide == own.guide else provider for provider in others]

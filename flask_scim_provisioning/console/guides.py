"""Identity providers as administrators know them: their names, their words, and their setup.

A guide is data: steps with paragraphs and with the fields of a form, named and ordered as the
provider shows them. One template draws them all. In a paragraph, ``**word**`` is what stands on a
button or a tab, and `` `word` `` is to be typed as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PROVIDERS", "Provider", "Setting", "Step", "provider_named"]

ENDPOINT = "{endpoint}"
TOKEN = "{token}"  # noqa: S105 - a placeholder


@dataclass(frozen=True)
class Setting:
    """One field of the provider's form.

    :ivar value: What to enter; ``ENDPOINT`` and ``TOKEN`` stand for the integration's.
    :ivar exact: Whether it is to be typed letter by letter.
    """

    name: str
    value: str
    exact: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a setup.

    :ivar forgotten: What everybody forgets here, if there is such a thing.
    """

    title: str
    text: Sequence[str] = ()
    settings: Sequence[Setting] = ()
    after: Sequence[str] = ()
    forgotten: str = ""
    command: str = ""


@dataclass(frozen=True)
class Provider:
    """One identity provider.

    :ivar name: The name of its dialect.
    :ivar title: What it is called in a sentence.
    :ivar label: What it is called by itself, in the form and in tables.
    :ivar hint: What choosing it means.
    :ivar endpoint_field: Its name for the endpoint URL; empty when nobody can know.
    :ivar token_field: Its name for the token.
    :ivar first_sync: When the first request is to be expected, and what the first hour looks like.
    :ivar mappings: Where its administrator changes what is sent; empty when nobody can know.
    """

    name: str
    title: str
    label: str
    hint: str
    endpoint_field: str
    token_field: str
    first_sync: str
    steps: Sequence[Step]
    mappings: str = ""


_START = Step(
    "Start",
    ("Make sure that this integration is enabled, then assign people and groups.",),
)

_PROVIDERS = (
    Provider(
        name="entra",
        title="Microsoft Entra ID",
        label="Microsoft Entra ID",
        hint="Formerly Azure Active Directory. Sends changes about every 40 minutes.",
        endpoint_field="Tenant URL",
        token_field="Secret Token",  # noqa: S106 - the name of a field
        first_sync="Entra sends its first requests within minutes of “Start provisioning”, "
        "and then about every 40 minutes.",
        mappings="Provisioning, Mappings, Provision Microsoft Entra ID Users",
        steps=(
            Step(
                "Add an application",
                (
                    "In the Microsoft Entra admin center open **Enterprise apps**, choose **New "
                    "application**, then **Create your own application**. Name it after this "
                    "portal and take **Integrate any other application you don't find in the "
                    "gallery (Non-gallery)**.",
                ),
            ),
            Step(
                "Connect it",
                (
                    "Open the application's **Provisioning** page and set **Provisioning Mode** "
                    "to **Automatic**. (In the newer portal: **New configuration**, with **Bearer "
                    "authentication**.) Enter:",
                ),
                (Setting("Tenant URL", ENDPOINT, True), Setting("Secret Token", TOKEN)),
                ("Press **Test Connection**, then **Save**.",),
                "Don't write “Bearer” in front of the token; Entra adds it.",
            ),
            Step(
                "Check the mappings",
                (
                    "Under **Mappings**, in **Provision Microsoft Entra ID Users**, leave "
                    "`userName` as the matching attribute and remove the attributes that you "
                    "don't want to send. The table below says what this portal keeps.",
                ),
                forgotten="People are deactivated by the mapping of `active`; keep it.",
            ),
            Step(
                "Choose who comes",
                (
                    "Under **Settings** set **Scope** to **Sync only assigned users and groups**, "
                    "and assign people and groups in **Users and groups**. **Provision on demand** "
                    "tries one person at once.",
                ),
                forgotten="Groups inside an assigned group aren't provisioned; assign them too.",
            ),
            Step(
                "Start",
                (
                    "Make sure that this integration is enabled, and choose **Start provisioning** "
                    "in Entra. The first cycle begins within minutes; the following ones come "
                    "about every 40 minutes.",
                ),
                forgotten="Without **Start provisioning** Entra sends nothing but the test.",
            ),
        ),
    ),
    Provider(
        name="okta",
        title="Okta",
        label="Okta",
        hint="Sends each change within seconds.",
        endpoint_field="SCIM connector base URL",
        token_field="Authorization",  # noqa: S106 - the name of a field
        first_sync="Okta sends its first requests when you assign people to the app.",
        mappings="Provisioning, To App, Attribute Mappings",
        steps=(
            Step(
                "Add an application",
                (
                    "In the Okta Admin Console open **Applications**, choose **Create App "
                    "Integration** and take **SAML 2.0** or **SWA - Secure Web Authentication**. "
                    "On its **General** tab edit **App Settings** and set **Provisioning** to "
                    "**SCIM**.",
                    "The catalog app **SCIM 2.0 Test App (OAuth Bearer Token)** works as well: "
                    "there the fields are **SCIM 2.0 Base Url** and **OAuth Bearer Token**, and "
                    "the button is **Test API Credentials**.",
                ),
            ),
            Step(
                "Connect it",
                ("Open **Provisioning**, then **Integration**, and choose **Edit**. Enter:",),
                (
                    Setting("SCIM connector base URL", ENDPOINT, True),
                    Setting("Unique identifier field for users", "userName", True),
                    Setting(
                        "Supported provisioning actions",
                        "Push New Users, Push Profile Updates, Push Groups",
                    ),
                    Setting("Authentication Mode", "HTTP Header"),
                    Setting("Authorization", TOKEN),
                ),
                ("Press **Test Connector Configuration**, then **Save**.",),
                "Okta shows a fixed “Bearer” in front of the last field; paste only the token.",
            ),
            Step(
                "Switch the actions on",
                (
                    "Under **Provisioning**, **To App**, choose **Edit** and enable **Create "
                    "Users**, **Update User Attributes** and **Deactivate Users**.",
                ),
                forgotten="Without this step Okta sends nothing.",
            ),
            Step(
                "Choose who comes",
                (
                    "Assign people and groups on the **Assignments** tab. For the groups "
                    "themselves use the **Push Groups** tab.",
                ),
                forgotten="Push other groups than those that assign the app.",
            ),
            Step(
                "Start",
                (
                    "Make sure that this integration is enabled. Okta sends each change within "
                    "seconds; its **Tasks** list shows what was refused, with the reason.",
                ),
            ),
        ),
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
        mappings="Parameters",
        steps=(
            Step(
                "Add an application",
                (
                    "In OneLogin's administration open **Applications**, choose **Add App** and "
                    "look for **SCIM Provisioner with SAML (SCIM v2 Enterprise)**.",
                ),
            ),
            Step(
                "Connect it",
                ("On the **Configuration** tab enter:",),
                (
                    Setting("SCIM Base URL", ENDPOINT, True),
                    Setting("SCIM Bearer Token", TOKEN),
                ),
                ("Press **Enable** under **API Status**, then **Save**.",),
            ),
            Step(
                "Switch provisioning on",
                (
                    "On the **Provisioning** tab tick **Enable provisioning**, and choose for "
                    "leavers **Suspend** where people are to be deactivated.",
                ),
                forgotten="Untick the administrator's approval for create, delete and update, or "
                "everybody waits until somebody approves.",
            ),
            Step(
                "Choose who comes",
                (
                    "Give people the app on the **Access** or **Users** tab. For groups add a "
                    "**Rule** that sets the groups, and tick **Include in User Provisioning** for "
                    "**Groups** under **Parameters**.",
                ),
            ),
            _START,
        ),
    ),
    Provider(
        name="jumpcloud",
        title="JumpCloud",
        label="JumpCloud",
        hint="Makes a user and a group for a test when it is activated, and deletes them.",
        endpoint_field="Base URL",
        token_field="Token Key",  # noqa: S106 - the name of a field
        first_sync="JumpCloud sends its first requests when you activate the connector.",
        mappings="Identity Management, Attribute Mapping",
        steps=(
            Step(
                "Add an application",
                (
                    "In the JumpCloud Admin Portal open **SSO Applications**, choose **Add New "
                    "Application** and take **Custom Application** with **Export users to this "
                    "app (Identity Management)**.",
                ),
            ),
            Step(
                "Connect it",
                (
                    "On the **Identity Management** tab choose **SCIM API** and **SCIM 2.0**, and "
                    "enter:",
                ),
                (
                    Setting("Base URL", ENDPOINT, True),
                    Setting("Token Key", TOKEN),
                    Setting("Test User Email", "an address that nobody has here"),
                ),
                ("Press **Test Connection**, then **Activate**.",),
                "The test makes a user and a group, and deletes them: they stand in the activity.",
            ),
            Step(
                "Choose who comes",
                (
                    "Bind user groups to the application under **User Groups**. Switch **Enable "
                    "management of User Groups and Group Membership** on where groups are to come "
                    "too.",
                ),
            ),
            _START,
        ),
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
        mappings="Autoprovisioning, Attribute mapping",
        steps=(
            Step(
                "Add an application",
                (
                    "In the Google Admin console open **Apps**, **Web and mobile apps**, and add "
                    "this portal as a **custom SAML app**.",
                ),
            ),
            Step(
                "Connect it",
                ("Open the app, choose **Autoprovisioning**, **Configure**, and enter:",),
                (Setting("Access token", TOKEN), Setting("Endpoint URL", ENDPOINT, True)),
            ),
            Step(
                "Check the mapping",
                (
                    "Map the attributes that are marked with a star; the table below says what "
                    "this portal keeps.",
                ),
                forgotten="Google sends no groups: give people their teams here, or by hand.",
            ),
            Step(
                "Choose who comes",
                (
                    "Set a **Provisioning scope**, and under **Deprovisioning** after how many "
                    "days leavers are suspended.",
                ),
            ),
            Step(
                "Start",
                (
                    "Make sure that this integration is enabled, and switch **Autoprovisioning** "
                    "to **Active**. The first people come within some hours.",
                ),
            ),
        ),
    ),
    Provider(
        name="pingone",
        title="PingOne",
        label="PingOne or PingFederate",
        hint="Looks people up by user name, by e-mail address or by a filter of yours.",
        endpoint_field="SCIM Base URL",
        token_field="OAuth Access Token",  # noqa: S106 - the name of a field
        first_sync="PingOne sends its first requests when a rule of the connection is enabled.",
        mappings="Integrations, Provisioning, Rules, Attribute Mapping",
        steps=(
            Step(
                "Add a connection",
                (
                    "In PingOne open **Integrations**, **Provisioning**, choose **New "
                    "Connection**, **Identity Store**, and take **SCIM Outbound**.",
                ),
            ),
            Step(
                "Connect it",
                ("Enter:",),
                (
                    Setting("SCIM Base URL", ENDPOINT, True),
                    Setting("Users Resource", "/Users", True),
                    Setting("SCIM Version", "2.0"),
                    Setting("Groups Resource", "/Groups", True),
                    Setting("Authentication Method", "OAuth 2 Bearer Token"),
                    Setting("OAuth Access Token", TOKEN),
                    Setting("User Filter Expression", 'userName Eq "%s"', True),
                    Setting("User Identifier", "userName", True),
                ),
                ("Press **Test Connection**, and continue.",),
            ),
            Step(
                "Switch the actions on",
                (
                    "Under **Actions** tick create, update, disable and remove as you need them, "
                    "and choose **Disable** as the remove action where people are to stay.",
                ),
            ),
            Step(
                "Add a rule",
                (
                    "Choose **New Rule**, take **PingOne** as the source and this connection as "
                    "the target, and set who comes under **User Filter** and **Group Filter**.",
                ),
                forgotten="Both the connection and the rule have a switch; turn both on.",
            ),
            _START,
        ),
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
        mappings="Customization, Property Mappings",
        steps=(
            Step(
                "Add a provider",
                (
                    "In authentik's admin interface open **Applications**, **Providers**, choose "
                    "**Create** and take **SCIM Provider**. Enter:",
                ),
                (
                    Setting("URL", ENDPOINT, True),
                    Setting("Token", TOKEN),
                    Setting("User Property Mappings", "authentik default SCIM Mapping: User"),
                    Setting("Group Property Mappings", "authentik default SCIM Mapping: Group"),
                ),
            ),
            Step(
                "Add it to an application",
                (
                    "Open **Applications**, edit the one of this portal, and add the provider "
                    "under **Backchannel Providers**.",
                ),
                forgotten="A provider without an application sends nothing.",
            ),
            Step(
                "Choose who comes",
                (
                    "Bind groups or people to the application, and choose a **Group** of the "
                    "provider where only its members are to come.",
                ),
            ),
            _START,
        ),
    ),
    Provider(
        name="keycloak",
        title="Keycloak",
        label="Keycloak",
        hint="By one of its plug-ins for SCIM.",
        endpoint_field="",
        token_field="",
        first_sync="The plug-in sends its first requests with the first change of a user.",
        steps=(
            Step(
                "Install a plug-in",
                (
                    "Keycloak sends SCIM by a plug-in. Copy its file into `providers/`, build and "
                    "start Keycloak again, and add it to the realm under **User federation**.",
                ),
            ),
            Step(
                "Connect it",
                ("The fields have names like these:",),
                (
                    Setting("SCIM 2.0 endpoint", ENDPOINT, True),
                    Setting("Endpoint content type", "application/scim+json", True),
                    Setting("Auth mode", "BEARER", True),
                    Setting("Auth password or token", TOKEN),
                    Setting("Propagation of users and groups", "on"),
                ),
            ),
            Step(
                "Listen to changes",
                (
                    "Open **Realm settings**, **Events**, **Event listeners**, and add the one of "
                    "the plug-in.",
                ),
                forgotten="Without the listener only a synchronisation by hand sends anything.",
            ),
            _START,
        ),
    ),
    Provider(
        name="rauthy",
        title="Rauthy",
        label="Rauthy",
        hint="Sends each change, and the whole object of a group.",
        endpoint_field="Base URI",
        token_field="Bearer Token",  # noqa: S106 - the name of a field
        first_sync="Rauthy sends its first requests when SCIM is enabled for the client.",
        steps=(
            Step(
                "Connect it",
                ("Open the client in Rauthy's administration, and its **SCIM** tab. Enter:",),
                (
                    Setting("Base URI", ENDPOINT, True),
                    Setting("Bearer Token", TOKEN),
                    Setting("Sync Groups", "on"),
                ),
                ("Enable SCIM for the client, and save.",),
            ),
            _START,
        ),
    ),
    Provider(
        name="canaille",
        title="Canaille",
        label="Canaille",
        hint="Reads what this portal can do first, and then sends each change.",
        endpoint_field="",
        token_field="",
        first_sync="Canaille sends its first requests with the first change of a user.",
        steps=(
            Step(
                "Connect it",
                (
                    "Register this portal as a client of Canaille, switch provisioning by SCIM on "
                    "in Canaille's configuration, and give the client:",
                ),
                (Setting("SCIM endpoint", ENDPOINT, True), Setting("Access token", TOKEN)),
            ),
            _START,
        ),
    ),
    Provider(
        name="generic",
        title="the identity provider",
        label="Other (generic)",
        hint="Any client that follows SCIM 2.0, such as Rippling or a script.",
        endpoint_field="",
        token_field="",
        first_sync="Entries appear with the first change that your identity provider sends.",
        steps=(
            Step(
                "Connect it",
                ("Any client of SCIM 2.0 (RFC 7644) needs these values, under names like these:",),
                (
                    Setting("SCIM base URL", ENDPOINT, True),
                    Setting("Authentication", "OAuth bearer token, in the header Authorization"),
                    Setting("Token", TOKEN),
                    Setting("Unique attribute of users", "userName", True),
                ),
            ),
            Step(
                "Test it",
                ("Most clients have a button for it. By hand, this lists the first person:",),
                command='curl -H "Authorization: Bearer $TOKEN" "{endpoint}/Users?count=1"',
            ),
            Step(
                "Start",
                (
                    "Make sure that this integration is enabled, then assign people and groups in "
                    "the identity provider. What the client may ask for stands under "
                    "`{endpoint}/ServiceProviderConfig`.",
                ),
            ),
        ),
    ),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in _PROVIDERS}
)
"""The providers by dialect, in the order of the form."""


def provider_named(dialect: str) -> Provider:
    """Return the provider of a stored dialect; the generic one for a dialect of a newer release."""
    return PROVIDERS.get(dialect, PROVIDERS["generic"])

"""The schemas of RFC 7643 as data: User (section 4.1), Group (4.2) and Enterprise User (4.3).

The characteristics are those of section 8.7.1, except where the prose of the RFC contradicts that
listing: a group's ``displayName`` is required (section 4.2); references, binary values and ids,
also those of members, groups and managers, are case-exact (sections 2.3.6, 2.3.7 and 3.1); and so
is a password.
"""

from collections.abc import Iterable

from . import urns
from .attributes import Attribute, Mutability, ResourceType, Returned, Schema, Type, Uniqueness


def _plural(
    name: str,
    description: str,
    value: Attribute,
    kinds: tuple[str, ...] = (),
) -> Attribute:
    """Return a multi-valued attribute with the sub-attributes of RFC 7643 section 2.4."""
    return Attribute(
        name,
        Type.COMPLEX,
        multi_valued=True,
        description=description,
        sub_attributes=(
            value,
            Attribute("display", description="A name for people, for showing only."),
            Attribute("type", canonical_values=kinds, description="What the value is used for."),
            Attribute(
                "primary",
                Type.BOOLEAN,
                description="Whether this is the preferred value; at most one is.",
            ),
        ),
    )


def _reference(
    name: str,
    description: str,
    *kinds: str,
    mutability: Mutability = Mutability.READ_WRITE,
) -> Attribute:
    return Attribute(
        name,
        Type.REFERENCE,
        case_exact=True,
        mutability=mutability,
        reference_types=kinds,
        description=description,
    )


_NAME = Attribute(
    "name",
    Type.COMPLEX,
    description="The parts of the person's name.",
    sub_attributes=(
        Attribute("formatted", description="The full name, as it is shown."),
        Attribute("familyName", description="The family name, or last name."),
        Attribute("givenName", description="The given name, or first name."),
        Attribute("middleName", description="The middle names."),
        Attribute("honorificPrefix", description="A title before the name, such as Dr."),
        Attribute("honorificSuffix", description="A suffix after the name, such as III."),
    ),
)

_ADDRESSES = Attribute(
    "addresses",
    Type.COMPLEX,
    multi_valued=True,
    description="Postal addresses.",
    sub_attributes=(
        Attribute("formatted", description="The full address, as on a letter."),
        Attribute("streetAddress", description="Street, house number and the like."),
        Attribute("locality", description="The city."),
        Attribute("region", description="The state or region."),
        Attribute("postalCode", description="The postal code."),
        Attribute("country", description="The country."),
        Attribute(
            "type",
            canonical_values=("work", "home", "other"),
            description="What the address is used for.",
        ),
        Attribute(
            "primary",
            Type.BOOLEAN,
            description="Whether this is the preferred address; at most one is.",
        ),
    ),
)

# Section 8.7.1 has it returned by default; here it is for those who ask. No identity provider reads
# it, and on every page of users it would be one more look at the memberships.
_GROUPS = Attribute(
    "groups",
    Type.COMPLEX,
    multi_valued=True,
    mutability=Mutability.READ_ONLY,
    returned=Returned.REQUEST,
    description="The groups that the user belongs to; changed through the groups themselves.",
    sub_attributes=(
        Attribute(
            "value",
            case_exact=True,
            mutability=Mutability.READ_ONLY,
            description="The id of the group.",
        ),
        _reference(
            "$ref",
            "The URL of the group.",
            "User",
            "Group",
            mutability=Mutability.READ_ONLY,
        ),
        Attribute("display", mutability=Mutability.READ_ONLY, description="The group's name."),
        Attribute(
            "type",
            mutability=Mutability.READ_ONLY,
            canonical_values=("direct", "indirect"),
            description="Whether the user is in the group itself, or in a group inside it.",
        ),
    ),
)

USER_SCHEMA = Schema(
    urns.USER,
    "User",
    "User Account",
    (
        Attribute(
            "userName",
            required=True,
            uniqueness=Uniqueness.SERVER,
            description="The name that the person signs in with.",
        ),
        _NAME,
        Attribute("displayName", description="The person's name, as it is shown to others."),
        Attribute("nickName", description="What the person is called casually."),
        _reference("profileUrl", "A page about the person.", "external"),
        Attribute("title", description="The job title, such as Vice President."),
        Attribute("userType", description="The relation to the organization, such as Employee."),
        Attribute("preferredLanguage", description="The languages to write in, such as en-US."),
        Attribute("locale", description="How to write dates and numbers, such as en-US."),
        Attribute("timezone", description="The time zone, such as America/Los_Angeles."),
        Attribute("active", Type.BOOLEAN, description="Whether the person may use the service."),
        Attribute(
            "password",
            case_exact=True,
            mutability=Mutability.WRITE_ONLY,
            returned=Returned.NEVER,
            description="The password in clear text; it can be set and never be read.",
        ),
        _plural(
            "emails",
            "E-mail addresses.",
            Attribute("value", description="The e-mail address."),
            ("work", "home", "other"),
        ),
        _plural(
            "phoneNumbers",
            "Telephone numbers.",
            Attribute("value", description="The telephone number."),
            ("work", "home", "mobile", "fax", "pager", "other"),
        ),
        _plural(
            "ims",
            "Addresses for instant messages.",
            Attribute("value", description="The address."),
            ("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
        ),
        _plural(
            "photos",
            "Pictures of the person.",
            _reference("value", "The URL of the picture.", "external"),
            ("photo", "thumbnail"),
        ),
        _ADDRESSES,
        _GROUPS,
        _plural(
            "entitlements",
            "Things that the person has.",
            Attribute("value", description="The entitlement."),
        ),
        _plural(
            "roles",
            "What the person is in the organization.",
            Attribute("value", description="The role."),
        ),
        _plural(
            "x509Certificates",
            "Certificates of the person.",
            Attribute(
                "value",
                Type.BINARY,
                case_exact=True,
                description="The certificate, DER, in base64.",
            ),
        ),
    ),
)

GROUP_SCHEMA = Schema(
    urns.GROUP,
    "Group",
    "Group",
    (
        Attribute("displayName", required=True, description="The group's name."),
        Attribute(
            "members",
            Type.COMPLEX,
            multi_valued=True,
            description="Who belongs to the group.",
            sub_attributes=(
                Attribute(
                    "value",
                    case_exact=True,
                    mutability=Mutability.IMMUTABLE,
                    description="The id of the member.",
                ),
                _reference(
                    "$ref",
                    "The URL of the member.",
                    "User",
                    "Group",
                    mutability=Mutability.IMMUTABLE,
                ),
                Attribute(
                    "type",
                    mutability=Mutability.IMMUTABLE,
                    canonical_values=("User", "Group"),
                    description="Which kind of resource the member is.",
                ),
                # Section 8.7.1 lists no display here, and section 2.4 gives every value one: it is
                # there for who asks, because it costs a look at every member's row.
                Attribute(
                    "display",
                    mutability=Mutability.READ_ONLY,
                    returned=Returned.REQUEST,
                    description="The member's name.",
                ),
            ),
        ),
    ),
)

ENTERPRISE_USER_SCHEMA = Schema(
    urns.ENTERPRISE_USER,
    "EnterpriseUser",
    "Enterprise User",
    (
        Attribute("employeeNumber", description="The number that the organization gave."),
        Attribute("costCenter", description="The name of the cost center."),
        Attribute("organization", description="The name of the organization."),
        Attribute("division", description="The name of the division."),
        Attribute("department", description="The name of the department."),
        Attribute(
            "manager",
            Type.COMPLEX,
            description="The person's manager.",
            sub_attributes=(
                Attribute("value", case_exact=True, description="The id of the manager."),
                _reference("$ref", "The URL of the manager.", "User"),
                Attribute(
                    "displayName",
                    mutability=Mutability.READ_ONLY,
                    description="The manager's name.",
                ),
            ),
        ),
    ),
)


def user_resource_type(extensions: Iterable[Schema] = ()) -> ResourceType:
    """Return the resource type User: core schema, Enterprise User, and a team's own extensions."""
    return ResourceType("User", "/Users", USER_SCHEMA, (ENTERPRISE_USER_SCHEMA, *extensions))


def group_resource_type(extensions: Iterable[Schema] = ()) -> ResourceType:
    """Return the resource type Group: core schema and a team's own extensions."""
    return ResourceType("Group", "/Groups", GROUP_SCHEMA, tuple(extensions))

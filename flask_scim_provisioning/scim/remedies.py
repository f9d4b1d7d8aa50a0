"""What to do about each refusal, for who runs the client; the documentation prints it."""

from collections.abc import Mapping
from types import MappingProxyType

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "InvalidFilter": "Choose another matching attribute in the identity provider, such as "
        "`userName` or `externalId`; filters written by hand need quotation marks.",
        "TooMany": "Narrow the search.",
        "Uniqueness": "Match the existing person or group by this attribute instead of creating "
        "it, or map another value; the conflicting one can be found by a search.",
        "DecisionWaits": "Let an administrator of the portal decide in the *Inbox* of the "
        "integration; the next attempt does what was decided.",
        "AccountRefused": "Unassign this person in the identity provider, or let an administrator "
        "of the portal decide anew in the *Inbox* of the integration.",
        "MutabilityError": "Take the attribute out of the mapping, or let it flow on creation "
        "only.",
        "InvalidSyntax": "Check the template or script that makes the body; an identity provider "
        "with a mapping page doesn't send this.",
        "InvalidPath": "Correct the target attribute in the mapping; `/Schemas` lists what there "
        "is, with its spelling.",
        "NoTarget": "Add the value before it is changed, or choose the identity provider of the "
        "integration, which may allow this.",
        "InvalidValue": "Change the source or the expression of this attribute in the mapping, so "
        "that it has the type and length that the detail asks for.",
        "InvalidCursor": "Send the `nextCursor` of the page before, and the same parameters.",
        "ExpiredCursor": "Begin again, and ask for the next page in time.",
        "InvalidCount": "Send a whole number as `count`.",
        "PortalConflict": "Ask the portal's team: the detail says what stands against it there.",
        "LastAdministrator": "Let somebody else administer the portal first, or take this person "
        "out of what the identity provider provisions.",
        "DisabledByPortal": "Activate the person in the portal, or let the integration do so: its "
        "policy `may_reenable`.",
        "UnresolvedReference": "Send the operation that creates the resource, and correct it if "
        "it failed.",
        "InvalidVersion": "Choose SCIM 2.0 in the identity provider.",
        "Sensitive": "Send the search by POST to `/.search`.",
        "Unauthorized": "Paste the token of the integration again, without the word Bearer, or "
        "rotate it in the console.",
        "Forbidden": "Let an administrator of the portal give the integration's role the "
        "permission that the detail names, or switch this action off in the identity provider.",
        "Protected": "Take this person or group out of what the identity provider provisions; the "
        "portal's team gives the reason.",
        "PrivilegeRefused": "Give administrator rights in the portal, or let the integration do "
        "so: its policy `may_grant_administrators`.",
        "IntegrationDisabled": "Enable the integration in the console.",
        "ResourceNotFound": "Restart the provisioning job, so that the identity provider searches "
        "instead of using an id that it has kept.",
        "EndpointNotFound": "Compare the base URL with that of the console; it ends in `/scim/v2`.",
        "MethodNotAllowed": "Choose PATCH or PUT as the header `Allow` says.",
        "PreconditionFailed": "Read the resource again, and repeat the change.",
        "PayloadTooLarge": "Let the identity provider send fewer members at a time.",
        "UnsupportedMediaType": "Choose `application/scim+json` or `application/json`.",
        "TooManyRequests": "Nothing: the client tries again after `Retry-After`.",
        "InternalError": "Give the portal's team the request id of the activity log.",
        "NotImplementedHere": "Switch this part of SCIM off in the client; "
        "`/ServiceProviderConfig` lists what there is.",
        "TemporarilyUnavailable": "Nothing: the client tries again after `Retry-After`.",
    }
)
"""What to do, by the names of the classes in ``errors``."""

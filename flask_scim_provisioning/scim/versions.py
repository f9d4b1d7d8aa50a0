"""Entity tags of resources, and the conditions of a request (RFC 7644 section 3.14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import PreconditionFailed

# RFC 9110 section 8.8.3:  entity-tag = [ weak ] opaque-tag;  weak = %s"W/"
_ENTITY_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def etag(version: int) -> str:
    """Return the entity tag of a version, which is weak: two writings of a resource share it."""
    return f'W/"{version}"'


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The headers If-Match and If-None-Match of a request, as they were sent.

    Tags are compared weakly in both of them: RFC 9110 would have If-Match fail on every weak tag,
    and RFC 7644 section 3.14 sends weak ones there.
    """

    if_match: str | None = None
    if_none_match: str | None = None

    def check_write(self, version: int) -> None:
        """Make sure that a resource in this version may be written.

        :raises PreconditionFailed: when the client expects another version.
        """
        if self.if_match is not None and not _lists(self.if_match, version):
            raise PreconditionFailed()
        if self.not_modified(version):
            raise PreconditionFailed()

    def not_modified(self, version: int) -> bool:
        """Whether the client has this version already, so that a read answers 304."""
        return self.if_none_match is not None and _lists(self.if_none_match, version)


def _lists(header: str, version: int) -> bool:
    return header.strip() == "*" or str(version) in _ENTITY_TAG.findall(header)

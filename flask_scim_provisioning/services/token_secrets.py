"""The secret of a bearer token: made, shown once, compared in constant time.

Source: RFC 6750; RFC 7644 section 2. The form (prefix, alphabet, checksum) lets secret scanners
find a leaked token, and lets a typing error be refused without asking the database.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from hashlib import sha256

__all__ = ["TokenSecret"]

PREFIX = "scim_"

# Letters and digits only, so that a double click selects the whole token.
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY_ID_LENGTH = 16
_SECRET_LENGTH = 172  # 1,024 bits; 200 characters in all
_CHECKSUM_LENGTH = 6
_LONGEST_PASTE = 2000

_TOKEN = re.compile(
    rf"(?:(?i:authorization):)?(?:(?i:bearer):?)*[\"'<]?"
    rf"{PREFIX}(?P<key_id>[0-9A-Za-z]{{{_KEY_ID_LENGTH}}})_"
    rf"(?P<secret>[0-9A-Za-z]{{{_SECRET_LENGTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})[\"'>]?"
)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode("ascii"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """A token in clear; it exists while it is made and shown, and while a request checks it.

    :ivar key_id: Finds the token; not secret.
    :ivar secret: 1,024 random bits, so that a bare SHA-256 keeps it and nothing has to be slow.
    """

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> TokenSecret:
        """Make a token that nobody has ever had."""
        return cls(_random(_KEY_ID_LENGTH), _random(_SECRET_LENGTH))

    @classmethod
    def parse(cls, text: str | None) -> TokenSecret | None:
        """Read what an administrator pasted or a header carries; None when it can't be a token.

        ``Bearer`` may stand before it once, twice (an identity provider adds its own to the pasted
        one) or not at all; white space, line breaks and quotation marks around it don't matter.
        """
        if text is None or len(text) > _LONGEST_PASTE:
            return None
        found = _TOKEN.fullmatch("".join(text.split()))
        if found is None:
            return None
        token = cls(found["key_id"], found["secret"])
        return token if found["checksum"] == _checksum(token._checked()) else None

    def _checked(self) -> str:
        return f"{PREFIX}{self.key_id}_{self.secret}"

    def reveal(self) -> str:
        """Return the bearer token, 200 characters; show it once and keep it nowhere."""
        return self._checked() + _checksum(self._checked())

    def digest(self) -> bytes:
        """Return the SHA-256 by which it is kept."""
        return sha256(self.secret.encode("ascii")).digest()

    def matches(self, digest: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.digest(), digest)

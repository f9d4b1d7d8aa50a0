"""Where a mapped attribute stands in a resource, in the notation of both identity providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

_SHAPE = re.compile(
    r"(?:(?P<urn>urn:[\w:.\-]+):)?(?P<name>[A-Za-z]\w*)"
    r"(?:\[(?P<key>\w+) eq (?P<wanted>\"[^\"]*\"|true|false)\])?(?:\.(?P<sub>\w+))?"
)


@dataclass(frozen=True)
class Path:
    """A parsed path such as ``emails[type eq "work"].value``."""

    urn: str | None
    name: str
    key: str | None
    wanted: str | bool | None
    sub: str | None

    def read(self, resource: Mapping[str, Any]) -> Any:
        """The value at this path, None where there is none (absent, null, "" and [] are one)."""
        holder = resource.get(self.urn) if self.urn else resource
        value = holder.get(self.name) if isinstance(holder, Mapping) else None
        if self.key is not None:
            elements = value if isinstance(value, list) else []
            value = next((e for e in elements if self._selects(e)), None)
        if self.sub is not None:
            value = value.get(self.sub) if isinstance(value, Mapping) else None
        return None if value in ("", [], {}) else value

    def _selects(self, element: Any) -> bool:
        return isinstance(element, Mapping) and element.get(self.key) == self.wanted


@lru_cache(maxsize=256)
def parse(text: str) -> Path:
    """Read a path.

    :raises ValueError: the text is no path of the simulator's mappings.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(f"{text!r} is no attribute path")
    wanted = shape["wanted"]
    literal = wanted.strip('"') if wanted and wanted.startswith('"') else wanted == "true"
    return Path(
        shape["urn"], shape["name"], shape["key"], literal if wanted else None, shape["sub"]
    )


def read(resource: Mapping[str, Any], path: str) -> Any:
    """The value at ``path`` in ``resource``, None where there is none."""
    return parse(path).read(resource)

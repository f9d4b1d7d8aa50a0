"""The little markup of the guides: what stands on a button, and what is typed as it is."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

__all__ = ["rich"]

_MARKED = re.compile(r"\*\*(?P<strong>[^*]+)\*\*|`(?P<code>[^`]+)`")


def rich(text: str, **values: str) -> Markup:
    """Return a paragraph as HTML; everything in it is text, and ``{name}`` stands for a value."""
    pieces, last = [], 0
    for found in _MARKED.finditer(text):
        pieces.append(escape(_filled(text[last : found.start()], values)))
        if found["strong"] is not None:
            inner = escape(_filled(found["strong"], values))
            pieces.append(Markup('<strong class="scim-strong">{}</strong>').format(inner))
        else:
            inner = escape(_filled(found["code"], values))
            pieces.append(Markup('<code class="scim-code">{}</code>').format(inner))
        last = found.end()
    pieces.append(escape(_filled(text[last:], values)))
    return Markup("").join(pieces)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text

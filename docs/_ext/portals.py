"""The directive ``portal``: the models and the mapping of a portal of ``tests/portals/``.

::

    ```{portal} one_team_each
    ```

The examples of the gallery are the portals that are tested, line by line.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.portals.offered import HERE, served  # noqa: E402

__all__ = ["gallery", "integration_lines", "page_of", "pages_not_served", "region", "setup"]


def region(path: Path, name: str) -> str:
    """Return what stands between ``# <name> begin`` and ``# <name> end``, wherever it does."""
    text = path.read_text(encoding="utf-8")
    parts = re.findall(rf"^ *# {name} begin\n(.*?)^ *# {name} end$", text, re.M | re.S)
    return "\n\n".join(textwrap.dedent(part).strip("\n") for part in parts)


def integration_lines(path: Path) -> int:
    """Count the lines of schemas and registration, without blank lines and comments."""
    lines = region(path, "provisioning").splitlines()
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def page_of(path: Path) -> str:
    """Return the page of a portal, below ``docs/``, without its ending."""
    return f"gallery/{path.stem.removeprefix('test_').replace('_', '-')}"


def pages_not_served() -> list[str]:
    """Return the pages of portals that the package can't serve, or whose package isn't here."""
    return sorted(f"{page_of(path)}.md" for path in set(HERE.glob("test_*.py")) - set(served()))


def gallery() -> Iterator[str]:
    """Every portal, with what it is and how many lines connect it."""
    yield from ("", "| Portal | What it is | Lines |", "|---|---|---:|")
    for path in served():
        said = path.read_text(encoding="utf-8").split('"""')[1]
        said = re.sub(r"``([^`]*)``", r"`\1`", said).removesuffix(".")
        yield f"| {{doc}}`/{page_of(path)}` | {said} | {integration_lines(path)} |"
    yield ""


class Portal(SphinxDirective):
    """Insert a portal's models and the lines that map them."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return two headed blocks of code."""
        path = HERE / f"test_{self.arguments[0]}.py"
        self.env.note_dependency(str(path))
        text = "\n".join(
            [
                "## The models",
                f"```python\n{region(path, 'models')}\n```",
                f"## The {integration_lines(path)} lines that connect them",
                f"```python\n{region(path, 'provisioning')}\n```",
            ]
        )
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Gallery(SphinxDirective):
    """Insert the table of all portals."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        return self.parse_text_to_nodes("\n".join(gallery()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("portal", Portal)
    app.add_directive("gallery", Gallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

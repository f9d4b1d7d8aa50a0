"""How the documentation is built: ``sphinx-build -W docs docs/_build``."""

import configparser
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
sys.path[:0] = [str(_HERE / "_ext"), str(_ROOT)]

_setup = configparser.ConfigParser()
_setup.read(_ROOT / "setup.cfg", encoding="utf-8")

project = "Flask-SCIM-Provisioning"
author = "The Flask-SCIM-Provisioning authors"
project_copyright = author
release = _setup["metadata"]["version"]
version = release

from portals import pages_not_served  # noqa: E402 - from the folder that was put there above

extensions = ["myst_parser", "sphinx.ext.autodoc", "portals", "tables"]
exclude_patterns = [
    "_build",
    "_ext",
    "performance-results.md",
    "performance-protocol.md",
    *pages_not_served(),
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Marshmallow documents its own arguments; a schema's reference is about ours.
autodoc_inherit_docstrings = False

html_theme = "furo"
html_title = project

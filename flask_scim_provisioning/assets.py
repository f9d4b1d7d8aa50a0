"""Where the templates and the static files are."""

from pathlib import Path

__all__ = ["STATIC", "TEMPLATES"]

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """Return the folder ``name`` of the package, or of the checkout it runs from.

    A wheel carries ``templates/`` and ``static/`` inside the package. In a checkout, editable or
    not, they are its siblings.

    :raises FileNotFoundError: when the distribution was built without it.
    """
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if (folder / "scim_provisioning").is_dir():
            return folder
    raise FileNotFoundError(
        f"flask_scim_provisioning was installed without its {name}/ folder; "
        "install it again from a wheel."
    )


TEMPLATES = _folder("templates")
STATIC = _folder("static")

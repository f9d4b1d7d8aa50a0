"""Make every picture of the documentation: ``python docs/pictures.py``.

The example portal is served with a database of its own, Entra ID and Okta are simulated against it,
and the system's Chromium looks at its pages. With names of pictures, only those are made.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.browser import chromium, served  # noqa: E402 - from the folder that was put there above

if TYPE_CHECKING:
    from playwright.sync_api import Page

EMAIL, PASSWORD = "admin@meridian.example", "correct horse battery staple"
WIDTH = 1400


@dataclass(frozen=True)
class Picture:
    """A picture: a page of the console, and how much of it is seen.

    :ivar path: below the Provisioning pages; ``{entra}`` and ``{okta}`` are integrations.
    """

    path: str
    height: int = 860


PICTURES: Mapping[str, Picture] = {
    "console": Picture("/{entra}", 940),
    "create": Picture("/new", 900),
    "connect": Picture("/{entra}/connect", 900),
    "activity": Picture("/{entra}/activity", 900),
    "mapping": Picture("/{entra}/mapping", 900),
    "people": Picture("/{okta}/people", 800),
}


def prepare(root: str) -> dict[str, str]:
    """Create integrations and let their identity providers work; return their ids by name."""
    from flask import current_app

    from flask_scim_provisioning.simulator import run

    ids = {}
    for provider, name in {"entra": "Contoso Entra ID", "okta": "Fabrikam Okta"}.items():
        runner = current_app.test_cli_runner()
        arguments = ["scim", "create", "--name", name, "--provider", provider, "--json"]
        created = current_app.json.loads(runner.invoke(args=arguments).output)
        ids[provider] = created["id"]
        path = created["endpoint"].partition("/api/")[2]
        run(provider, f"{root}/api/{path}", created["token"], users=40, groups=6, workers=1)
    return ids


def shoot(page: Page, root: str, names: Mapping[str, str], wanted: list[str]) -> None:
    """Sign in, and take the pictures."""
    page.goto(f"{root}/sign-in")
    page.fill("[name=username]", EMAIL)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_load_state()
    for integration in names.values():
        # What the simulators send wrongly on purpose was looked into.
        page.goto(f"{root}/provisioning/{integration}/failures")
        while (button := page.locator("form[action$=dismiss] button")).count():
            button.first.click()
            page.wait_for_load_state()
    for name in wanted or PICTURES:
        picture = PICTURES[name]
        page.set_viewport_size({"width": WIDTH, "height": picture.height})
        answer = page.goto(f"{root}/provisioning{picture.path.format(**names)}")
        if answer is None or not answer.ok:
            raise SystemExit(f"{picture.path} can't be opened")
        target = HERE / "images" / f"{name}.png"
        page.screenshot(path=target)
        print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size // 1024} kB")


def main() -> None:
    """Make the pictures that are named, or all."""
    with tempfile.TemporaryDirectory(prefix="scim-pictures.") as folder:
        os.environ.update(
            DATABASE_URL=f"sqlite:///{folder}/portal.sqlite3",
            SECRET_KEY="for pictures only",  # noqa: S106
            PORTAL_ADMIN_EMAIL=EMAIL,
            PORTAL_ADMIN_PASSWORD=PASSWORD,
            PORTAL_URL="https://portal.example.com",
        )
        from example_app import create_app
        from example_app.cli import prepare as prepare_portal

        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        app = create_app()
        with app.app_context():
            prepare_portal()
        with served(app) as root:
            with app.app_context():
                names = prepare(root)
            with chromium() as browser:
                shoot(browser.new_page(locale="en-GB"), root, names, sys.argv[1:])


if __name__ == "__main__":
    main()

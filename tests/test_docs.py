"""Every example in README.md and docs/ runs, as it stands there.

The info string of a fenced block says what happens to it:

- ``python``: executed, in order, in one namespace for each page; a block whose first line is a
  comment with a path, such as ``# portal/models.py``, is written to that file instead;
- ``html+jinja``: written to the path in its first comment, where there is one;
- ``bash``: each line is run, and has to succeed; only ``flask`` and ``python`` may be called;
- ``sh``: for a machine that isn't this one (installing, serving); only its commands are checked;
- anything else is for reading.

Blocks inside an HTML comment run too: they are what a page takes for granted. Pages under
``docs/how-to/`` go on with the portal of the tutorial: its files are there, ``app`` is the portal
with its tables, and ``scim`` a client that sends the token of an integration. The README goes on
with the same files, and with an ``app`` that isn't registered yet.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_scim_provisioning
import flask_scim_provisioning.testing
from flask_scim_provisioning.scim import errors
from flask_scim_provisioning.services import signals
from flask_scim_provisioning.settings import SETTINGS

from .client import ScimClient

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page for page in [*ROOT.glob("README.md"), *DOCS.rglob("*.md")] if "_build" not in page.parts
)
SERVED_ELSEWHERE = ("pip", "gunicorn", "flask", "python", "python3")

_BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<info>[\w+]+)\n(?P<code>.*?)^(?P=fence)$", re.M | re.S)
_PATH = re.compile(r"(?:#|\{#) (?P<path>[\w./-]+\.\w+)(?: #\})?")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, with the line that it begins at."""

    page: Path
    line: int
    info: str
    code: str

    @property
    def path(self) -> str | None:
        """The file that the block is, or None."""
        found = _PATH.fullmatch(self.code.partition("\n")[0])
        return found["path"] if found else None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found["info"], found["code"])
        for found in _BLOCK.finditer(text)
    ]


EXAMPLES = [page for page in PAGES if any(b.info in ("python", "bash") for b in blocks_of(page))]


class PageRunner:
    """Runs the blocks of one page in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        self._prepared = False

    def write_files(self, page: Path) -> None:
        """Write all the files of a page."""
        for block in blocks_of(page):
            if block.path is not None:
                self._write(block, block.path)

    def run(self, block: Block) -> None:
        """Do with a block what its info string says."""
        path = block.path
        if block.info in ("python", "html+jinja") and path is not None:
            self._write(block, path)
        elif block.info in ("python", "bash"):
            self._prepare(block.page)
            (self._execute if block.info == "python" else self._call)(block)

    def _write(self, block: Block, path: str) -> None:
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.code, encoding="utf-8")

    def _execute(self, block: Block) -> None:
        # The empty lines make a traceback name the line of the page.
        source = "\n" * (block.line - 1) + block.code
        exec(compile(source, str(block.page), "exec"), self.namespace)

    def _call(self, block: Block) -> None:
        for line in block.code.splitlines():
            program, *arguments = shlex.split(line)
            command = {
                "flask": [sys.executable, "-m", "flask"],
                "python": [sys.executable],
            }[program]
            done = subprocess.run(
                [*command, *arguments],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": f"{self.directory}{os.pathsep}{ROOT}"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{block.page}:{block.line}: {line}\n{done.stderr}"

    def _prepare(self, page: Path) -> None:
        """Give a page what it goes on with; the tutorial begins with nothing."""
        if not self._prepared:
            self._prepared = True
            if page.parent.name == "how-to":
                self._prepare_portal()
            elif page.name == "README.md":
                self._prepare_factory()

    def _prepare_factory(self) -> None:
        """Give the README an application that isn't registered yet."""
        from flask_login import LoginManager, current_user
        from portal.provisioning import provisioning

        app = Flask("portal")
        app.config.update(SECRET_KEY="any", SQLALCHEMY_DATABASE_URI="sqlite:///portal.db")
        provisioning.db.init_app(app)
        LoginManager(app)
        self.namespace.update(app=app, provisioning=provisioning, current_user=current_user)

    def _prepare_portal(self) -> None:
        """Give a how-to the portal of the tutorial, or its own, with an integration."""
        from portal import create_app
        from portal.provisioning import provisioning

        from flask_scim_provisioning.services.integrations import create_integration

        app = create_app({"TESTING": True})
        with app.app_context():
            session = app.extensions["scim_provisioning"].session
            provisioning.metadata.create_all(session.get_bind())
            created = create_integration(
                session, provisioning.models, tenant="main", name="Example"
            )
        base = f"/api/v1/main/integrations/{created.integration.id}/scim/v2"
        client = ScimClient(app, base, created.secret.reveal())
        self.namespace.update(app=app, scim=client)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageRunner]:
    """Return a runner in an empty directory, from which ``portal`` is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PageRunner(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "portal"]:
        del sys.modules[name]


@pytest.mark.parametrize("page", EXAMPLES, ids=[str(p.relative_to(ROOT)) for p in EXAMPLES])
def test_examples_run(page: Path, runner: PageRunner) -> None:
    if page.parent.name == "how-to" or page.name == "README.md":
        runner.write_files(DOCS / "tutorial.md")
    for block in blocks_of(page):
        runner.run(block)


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_blocks_for_another_machine_call_what_is_known(page: Path) -> None:
    lines = [line for b in blocks_of(page) if b.info == "sh" for line in b.code.splitlines()]
    unknown = [line for line in lines if _command(line) not in SERVED_ELSEWHERE]
    assert unknown == []


def _command(line: str) -> str:
    """Return what a line calls, whatever it sets in the environment before."""
    return Path(next(word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word))).name


def _imports(page: Path) -> set[str]:
    """Return what a page imports of the package, with the module in front."""
    found = set()
    for block in blocks_of(page):
        if block.info != "python":
            continue
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "flask_scim_provisioning"}


def test_pages_import_only_public_names() -> None:
    public = {
        f"{module.__name__}.{name}"
        for module in (flask_scim_provisioning, flask_scim_provisioning.testing)
        for name in module.__all__
    }
    private = {str(page): names for page in PAGES if (names := _imports(page) - public)}
    assert private == {}


def test_public_names_are_documented() -> None:
    text = (DOCS / "reference" / "public.md").read_text(encoding="utf-8")
    assert [name for name in flask_scim_provisioning.__all__ if f"`{name}`" not in text] == [
        "Provisioning"  # with its import
    ]


def test_the_readme_leads_to_every_page() -> None:
    """The pages of the gallery are reached from its index."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {ROOT / target for target in re.findall(r"\]\(([\w./-]+\.(?:md|png))", text)}
    assert [str(target) for target in linked if not target.is_file()] == []
    inner = {"changelog.md", "index.md", "performance-protocol.md", "performance-results.md"}
    pages = {page for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    pages -= {DOCS / name for name in inner}
    pages -= {page for page in pages if page.parent.name == "gallery" and page.stem != "index"}
    assert sorted(str(page) for page in pages - linked) == []


def test_each_picture_is_made_by_the_command_and_shown() -> None:
    made = set(runpy.run_path(str(DOCS / "pictures.py"))["PICTURES"])
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = set(re.findall(r"images/([\w-]+)\.png", text))
    assert made == shown == {path.stem for path in (DOCS / "images").iterdir()}


@pytest.mark.parametrize("contract", ["floors", "mapping"])
def test_the_architecture_has_the_floors_of_the_contracts(contract: str) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    section = config[f"importlinter:contract:{contract}"]
    beside = section.get("exhaustive_ignores", "").split()
    floors = [set(line.split(" | ")) for line in section["layers"].strip().splitlines()]
    text = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    table = next(
        part for part in text.split("\n\n") if f"`{min(floors[0])}`" in part and "| Floor |" in part
    )
    told: dict[str, set[str]] = {}
    for floor, names in re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M):
        told.setdefault(floor, set()).update(re.findall(r"`(\w+)`", names))
    assert list(told.values()) == floors
    assert all(re.search(rf"\| \W \| `{name}` \|", table) for name in beside)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Build the documentation, warnings being errors; return a function from a page to its text."""
    target = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "text", DOCS, target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return lambda page: (target / page).read_text(encoding="utf-8")


def test_every_setting_is_documented(built: Callable[[str], str]) -> None:
    text = built("reference/settings.txt")
    assert [each.name for each in SETTINGS if each.name not in text] == []


def test_every_signal_is_documented(built: Callable[[str], str]) -> None:
    text = built("reference/signals.txt")
    names = [name for name in signals.__all__ if name not in ("NAMESPACE", "send")]
    assert [name for name in names if name not in text] == []


def test_every_scim_type_is_documented(built: Callable[[str], str]) -> None:
    """RFC 7644 section 3.12, table 9."""
    text = built("reference/errors.txt")
    kinds = {kind.scim_type for kind in errors.ScimError.__subclasses__()} - {None}
    assert [kind for kind in kinds if str(kind) not in text] == []


def test_every_runtime_dependency_is_explained() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    text = (DOCS / "explanation" / "dependencies.md").read_text(encoding="utf-8").lower()
    required = [re.split(r"[<>=]", line)[0] for line in _lines(config, "install_requires")]
    assert [name for name in required if name.lower() not in text] == []


def _lines(config: configparser.ConfigParser, key: str) -> list[str]:
    return config["options"][key].split()

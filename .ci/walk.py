"""A stranger's walk: an empty folder and environment, the wheel, the tutorial typed in order.

``python .ci/walk.py WHEEL`` makes both below a temporary folder, and stops at the first error or
warning. Blocks of ``python`` are typed into one interpreter and those of ``bash`` and ``sh`` into a
shell, as the tutorial gives them. Then the tables are made a second time, by migration, as
``docs/how-to/migrate.md`` says, and an identity provider is played against those, too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
ADDRESS = "127.0.0.1:5000"  # as the tutorial has it; the walk takes a port that is free
_BLOCK = re.compile(r"^```(?P<info>python|bash|sh)\n(?P<code>.*?)^```$", re.M | re.S)
_PATH = re.compile(r"# ([\w./-]+\.\w+)")
# Flask says this of every server that isn't made for production.
_EXPECTED = "WARNING: This is a development server."
# The connections of a pool end with the process; Python 3.13 and later would tell of each.
_WARNINGS = "error,ignore::ResourceWarning"
# Flask-Migrate's own env.py asks Flask-SQLAlchemy for this first; Alembic leaves out indexes on
# expressions on SQLite, as docs/how-to/migrate.md says.
_MIGRATE = (
    f"{_WARNINGS},ignore:'get_engine' is deprecated:DeprecationWarning,"
    "ignore:autogenerate skipping metadata-specified expression-based index:UserWarning"
)

# Reads blocks, each a line of JSON, and executes them in one namespace.
_TYPIST = """
import json, sys
namespace = {"__name__": "__main__"}
sys.path.insert(0, "")
for line in sys.stdin:
    exec(compile(json.loads(line), "<tutorial>", "exec"), namespace)
    print("done", flush=True)
"""


class Walk:
    """A folder and an environment that nobody has touched, and what is typed there."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.wheel = wheel
        environment = folder / "environment"
        venv.create(environment, with_pip=True)
        self.portal = folder / "portal"
        self.portal.mkdir()
        self.environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "FLASK_RUN_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": _WARNINGS,
        }
        for name, value in os.environ.items():
            if name.startswith(("PIP_", "SSL_", "REQUESTS_")) or name.lower().endswith("_proxy"):
                self.environment[name] = value
        self.typist: subprocess.Popen[str] | None = None

    def shell(self, command: str, *, quiet: bool = False, code: int = 0) -> str:
        """Run a command; stop where it warns, or ends otherwise than expected."""
        print(f"$ {re.sub(r'scim_[A-Za-z0-9_-]{20,}', 'scim_…', command)}", flush=True)
        done = subprocess.run(  # noqa: S602 - it is what a reader types into a shell
            command,
            shell=True,
            cwd=self.portal,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode != code:
            raise SystemExit(f"It ended with {done.returncode}:\n{said}")
        if not quiet:
            self.look(said)
        return done.stdout

    def look(self, said: str) -> None:
        """Stop at a warning."""
        lines = [line for line in said.splitlines() if _EXPECTED not in line]
        if found := [line for line in lines if re.search(r"warning|traceback", line, re.I)]:
            raise SystemExit("It warned:\n" + "\n".join(found))

    def install(self, requirement: str) -> None:
        """Install with pip; the package itself is the wheel that was built."""
        name = requirement.replace("flask-scim-provisioning", shlex.quote(str(self.wheel)))
        # What pip says of itself, and of the machine's configuration, is no word of ours.
        self.shell(f"PYTHONWARNINGS=ignore python -m pip install --quiet {name}", quiet=True)
        self.shell("PYTHONWARNINGS=ignore python -m pip check")

    def python(self, code: str) -> None:
        """Write the file that a block names, or type the block into the interpreter."""
        if found := _PATH.fullmatch(code.partition("\n")[0]):
            target = self.portal / found[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(code, encoding="utf-8")
            print(f"  {found[1]}", flush=True)
            return
        if self.typist is None:
            self.typist = subprocess.Popen(
                ["python", "-c", _TYPIST],
                cwd=self.portal,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert self.typist.stdin is not None  # noqa: S101 - for mypy
        assert self.typist.stdout is not None  # noqa: S101
        assert self.typist.stderr is not None  # noqa: S101
        print(f">>> {code.strip().splitlines()[0]} …", flush=True)
        self.typist.stdin.write(json.dumps(code) + "\n")
        self.typist.stdin.flush()
        if self.typist.stdout.readline() != "done\n":
            raise SystemExit(f"It failed:\n{self.typist.stderr.read()}")

    def close(self) -> None:
        """Leave the interpreter; what it said on the way counts too."""
        if self.typist is not None:
            _, said = self.typist.communicate(timeout=60)
            self.look(said)
            self.typist = None

    @contextmanager
    def served(self, command: str) -> Iterator[None]:
        """Serve the portal while the next command runs."""
        print(f"$ {command} &", flush=True)
        log = self.folder / "server.log"
        with log.open("w", encoding="utf-8") as stream:
            server = subprocess.Popen(
                shlex.split(command),
                cwd=self.portal,
                env=self.environment,
                stdout=stream,
                stderr=stream,
            )
            try:
                self._wait(server, log)
                yield
            finally:
                server.terminate()
                server.wait(30)
        self.look(log.read_text(encoding="utf-8"))

    def _wait(self, server: subprocess.Popen[bytes], log: Path) -> None:
        for _ in range(600):
            if server.poll() is not None:
                raise SystemExit(f"The portal stopped:\n{log.read_text(encoding='utf-8')}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit("The portal doesn't answer.")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of a page that are typed, with their kinds."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [(found["info"], found["code"]) for found in _BLOCK.finditer(text)]


def tutorial(walk: Walk) -> None:
    """Type the tutorial, and put what was printed where it has an ellipsis."""
    endpoint = token = ""
    serve = ""
    for info, code in blocks("tutorial.md"):
        if info == "python":
            walk.python(code)
            continue
        for line in code.splitlines():
            if line.startswith("pip install "):
                walk.install(line.removeprefix("pip install "))
            elif line.endswith(" run"):
                serve = line
            elif " scim simulate " in line:
                command = line.replace("SCIM_TOKEN=…", f"SCIM_TOKEN={token}")
                command = re.sub(r"--endpoint \S+", f"--endpoint {endpoint}", command)
                with walk.served(serve):
                    print(walk.shell(command), flush=True)
            else:
                said = walk.shell(line)
                if " scim create " in line:
                    endpoint, token = printed(walk, said)
    walk.close()


def printed(walk: Walk, said: str) -> tuple[str, str]:
    """Return the endpoint, as it is served, and the token that ``flask scim create`` printed."""
    endpoint = re.search(r"^Endpoint: +(\S+)$", said, re.M)
    token = re.search(r"^Token: +(\S+)$", said, re.M)
    if endpoint is None or token is None:
        raise SystemExit(f"It printed no endpoint and token:\n{said}")
    return endpoint[1].replace(ADDRESS, f"127.0.0.1:{walk.port}"), token[1]


def migration(walk: Walk) -> None:
    """Make the tables by migrations in a database of their own, and provision into them."""
    database = walk.portal / "instance" / "portal.db"
    database.unlink()
    for info, code in blocks("how-to/migrate.md"):
        if info == "python":
            walk.python(code)
            continue
        for line in code.splitlines():
            if line.startswith("pip install "):
                walk.install(line.removeprefix("pip install "))
            else:
                walk.shell(f'PYTHONWARNINGS="{_MIGRATE}" {line}')
    missing = re.findall(r"^ +(CREATE .+;)$", walk.shell("flask scim doctor", code=1), re.M)
    with closing(sqlite3.connect(database)) as connection:
        for statement in missing:
            print(f"sqlite> {statement}", flush=True)
            connection.execute(statement)
    walk.shell("flask scim doctor")
    said = walk.shell('flask scim create --name "Entra ID" --provider entra')
    endpoint, token = printed(walk, said)
    with walk.served("flask run"):
        options = f"--endpoint {endpoint} --users 10 --groups 2 --cleanup"
        walk.shell(f"SCIM_TOKEN={token} flask scim simulate entra {options}")


def main() -> None:
    """Walk."""
    wheel = Path(sys.argv[1]).resolve()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scim-walk.") as folder:
        walk = Walk(Path(folder), wheel)
        tutorial(walk)
        migration(walk)
    print(f"A stranger arrives, after {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()

"""Build the sdist and the wheel so that the same sources give the same bytes everywhere.

``python .ci/build.py FOLDER`` builds what stands in the present folder. ``SOURCE_DATE_EPOCH`` says
which time the files have; without it, that of the last commit. Setuptools obeys it in the wheel; in
the sdist it leaves the times and owners of this machine, so that the archive is written anew. Then
both are looked into: they have what they should, and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

_MADE = ("docs/_build/", "example_app/instance/")
_GENERATED = ("PKG-INFO", "flask_scim_provisioning.egg-info/")


def moment() -> int:
    """Return the time that all files get."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        given = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(given)


def normalise(archive: Path, epoch: int) -> None:
    """Write an sdist anew: in the order of names, with one time and no owner."""
    written = io.BytesIO()
    with (
        tarfile.open(archive) as before,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda each: each.name):
            member.mtime = epoch
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            after.addfile(member, before.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(written.getvalue(), mtime=epoch))


def tree(folder: str, *suffixes: str) -> set[str]:
    """Return the files below a folder, or those of some kinds."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    kept = (path for path in files if "__pycache__" not in path.parts)
    return {path.as_posix() for path in kept if not suffixes or path.suffix in suffixes}


def look_into(wheel: Path, sdist: Path) -> None:
    """Stop where something is missing, or is there and shouldn't be."""
    package = "flask_scim_provisioning"
    expected = tree(package, ".py", ".typed")
    expected |= {f"{package}/{name}" for name in tree("templates") | tree("static")}
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    compare(wheel, expected, found)
    root = f"{sdist.name.removesuffix('.tar.gz')}/"
    with tarfile.open(sdist) as archive:
        found = {each.name.removeprefix(root) for each in archive.getmembers() if each.isfile()}
    expected = tree(package, ".py", ".typed") | tree("templates") | tree("static")
    for folder in ("tests", "example_app", "docs", "requirements"):
        expected |= {name for name in tree(folder) if not name.startswith(_MADE)}
    expected |= {"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    expected |= {"MANIFEST.in", "pyproject.toml", "setup.cfg"}
    compare(sdist, expected, {name for name in found if not name.startswith(_GENERATED)})


def compare(archive: Path, expected: set[str], found: set[str]) -> None:
    """Stop where an archive hasn't what it should."""
    if expected != found:
        raise SystemExit(
            f"{archive.name}: missing {sorted(expected - found)}, "
            f"not expected {sorted(found - expected)}"
        )


def main() -> None:
    """Build, and print the hashes."""
    target = Path(sys.argv[1])
    epoch = moment()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--outdir", str(target), "."]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    for archive in target.glob("*.tar.gz"):
        normalise(archive, epoch)
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    look_into(wheel, sdist)
    for path in sorted(target.iterdir()):
        print(hashlib.sha256(path.read_bytes()).hexdigest(), "", path.name)


if __name__ == "__main__":
    main()

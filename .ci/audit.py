"""Look for known vulnerabilities of what is installed: ``python .ci/audit.py [PIP-AUDIT OPTIONS]``.

It is pip-audit that looks, and asks osv.dev. Where that can't be reached, or with ``--offline``,
pip-audit asks a server on this machine instead, which answers from ``requirements/advisories.json``
in the same words. That file has what was known when it was last written; it finds old versions that
came back, and no news. The scheduled run of the forge, which is online, finds those.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

ADVISORIES = Path(__file__).resolve().parents[1] / "requirements" / "advisories.json"


def canonical(name: str) -> str:
    """Return a package's name as registries spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def known(package: str, version: str) -> list[dict[str, Any]]:
    """Return the advisories of one version, as OSV's schema has them."""
    found = []
    for each in json.loads(ADVISORIES.read_text(encoding="utf-8"))["advisories"]:
        if each["package"] != canonical(package):
            continue
        if any(SpecifierSet(each_range).contains(version, True) for each_range in each["affected"]):
            fixed = [{"introduced": "0"}, *({"fixed": text} for text in each["fixed"])]
            found.append(
                {
                    "id": each["id"],
                    "summary": each["summary"],
                    "affected": [
                        {
                            "package": {"name": each["package"], "ecosystem": "PyPI"},
                            "ranges": [{"type": "ECOSYSTEM", "events": fixed}],
                        }
                    ],
                }
            )
    return found


class Answers(BaseHTTPRequestHandler):
    """Answers as https://api.osv.dev/v1/query does."""

    def do_POST(self) -> None:
        """Answer one question about one version."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = known(asked["package"]["name"], asked["version"])
        body = json.dumps({"vulns": found} if found else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in http.server
        """Say nothing."""


def online() -> bool:
    """Say whether osv.dev can be reached."""
    try:
        socket.create_connection(("api.osv.dev", 443), timeout=5).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Run pip-audit; exit as it does."""
    options = [each for each in sys.argv[1:] if each != "--offline"]
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--skip-editable"]
    command += ["--vulnerability-service=osv", *options]
    if "--offline" not in sys.argv and online():
        raise SystemExit(subprocess.run(command, check=False).returncode)
    told = json.loads(ADVISORIES.read_text(encoding="utf-8"))
    print(f"From {ADVISORIES.name} of {told['written']}, not from osv.dev.", flush=True)
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command.append(f"--osv-url=http://127.0.0.1:{server.server_port}/v1/query")
    raise SystemExit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()

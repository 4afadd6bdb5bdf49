"""An HTTP agent that builds: it writes what it is told to a file and says what came of it.

Run as ``python builder.py FOLDER LOG``; the first line on standard output is the address.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def build(folder: Path, task: dict[str, object]) -> str:
    """Write the body of the task to a file of the folder; return a report in Markdown."""
    body = str(task["body"]).encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(body).hexdigest()
    target = folder / f"build-{digest[:12]}.md"
    target.write_bytes(body)
    return f"Built `{target.name}`: {len(body)} bytes, {len(body.splitlines())} lines, sha256 `{digest[:16]}…`."


class Handler(BaseHTTPRequestHandler):
    """Answer ``GET /api/health`` and ``POST /api/build``."""

    folder: Path
    log: Path

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/api/health" else 404, b'{"status": "ok"}', "application/json")

    def do_POST(self) -> None:
        called = time.time()
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/api/build":
            self._answer(404, b"no such work here", "text/plain; charset=utf-8")
            return
        task = json.loads(data)
        note = {
            "agent": "builder",
            "id": task["id"],
            "key": self.headers.get("Idempotency-Key"),
            "time": called,
        }
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(note) + "\n")
        self._answer(200, build(self.folder, task).encode(), "text/markdown; charset=utf-8")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Stay silent; what was done is in the log file."""


def main() -> None:
    """Serve until told to stop."""
    Handler.folder, Handler.log = Path(sys.argv[1]), Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

"""An HTTP agent that watches its machine: it answers with load, free disk and the time since it started.

Run as ``python watcher.py FOLDER LOG``; the first line on standard output is the address.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STARTED = time.monotonic()


def look(folder: Path) -> str:
    """Return what is to be seen, as a Markdown list."""
    disk = shutil.disk_usage(folder)
    load = os.getloadavg()[0]
    return "\n".join(
        (
            f"- load: {load:.2f} on {os.cpu_count()} processors",
            f"- disk: {disk.free / 2**30:.1f} GB of {disk.total / 2**30:.1f} GB free",
            f"- on watch for {time.monotonic() - STARTED:.0f} s",
        )
    )


class Handler(BaseHTTPRequestHandler):
    """Answer ``GET /health`` and ``POST /look``; the answer is JSON with a text in it."""

    folder: Path
    log: Path

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, {"status": "ok"})

    def do_POST(self) -> None:
        called = time.time()
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/look":
            self._answer(404, {"error": "no such work here"})
            return
        task = json.loads(data)
        note = {
            "agent": "watcher",
            "id": task["id"],
            "key": self.headers.get("Idempotency-Key"),
            "time": called,
        }
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(note) + "\n")
        self._text(200, look(self.folder))

    def _text(self, status: int, text: str) -> None:
        self._send(status, text.encode(), "text/markdown; charset=utf-8")

    def _answer(self, status: int, document: dict[str, str]) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
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

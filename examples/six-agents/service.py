"""What the six programs share: a small HTTP service, with nothing but the standard library.

An agent is a function that takes the message as gitsync hands it over (a dictionary: from, subject, body, type …) and
returns the reply as text. A ValueError is an answer too: the message has failed, and the receipt says why.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGEST = 8 * 1024 * 1024


def serve(name: str, work: Callable[[dict[str, Any]], str]) -> None:
    """Answer GET /health, and POST / with what `work` says, on the port that gitsync names in PORT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, {"agent": name, "state": "ok"}) if self.path == "/health" else self._say(404, {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST:
                self._say(413, {"error": "too large"})
                return
            try:
                message = json.loads(self.rfile.read(length))
                self._say(200, {"reply": work(message)})
            except ValueError as error:
                self._say(422, {"error": str(error)})

        def _say(self, status: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            if not self.path.startswith("/health"):
                print(f"{name}: {format % args}", flush=True)

    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{name} listens on port {server.server_port}", flush=True)
    server.serve_forever()

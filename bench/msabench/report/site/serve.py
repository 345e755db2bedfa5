"""A site on this machine's own address, for looking at it; publishing needs any web server or none."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msabench.errors import SpecError


class _Handler(SimpleHTTPRequestHandler):
    """Prints no line for each request; a site made again is seen at once."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away, or an address that is none, ends that one request and is no news."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder on 127.0.0.1, which answers after `serve_forever`.

    Parameters
    ----------
    port
        0 takes a free one.

    Raises
    ------
    SpecError
        If the port is taken or not allowed.
    """
    try:
        return _Server(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise SpecError(
            f"the port {port} cannot be used: {error}", fix="give another --port; 0 takes a free one"
        ) from error

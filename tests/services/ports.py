"""Ports for servers: bound from the beginning, so that nobody else is given them, also while a server is restarted."""

from __future__ import annotations

import socket


def held() -> socket.socket:
    """A socket bound to a free port. A server that says SO_REUSEADDR can listen on it, as this one does not listen."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", 0))
    return found

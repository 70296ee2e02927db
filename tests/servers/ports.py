"""A free port, kept free of others for as long as a server may come back to it."""

from __future__ import annotations

import contextlib
import socket
import sys

HOST = "127.0.0.1"
_LINUX = sys.platform == "linux"


class Port:
    """A port on the loopback address, chosen by the system.

    Between two lives of a killed server, its port would be anybody's: a client that calls it again and again
    can even be given that port as its own end, and then talks to itself. So we stay bound to it, without
    listening. Linux lets a server bind beside us, as both set SO_REUSEADDR; elsewhere we must let go.
    """

    def __init__(self, wanted: int = 0) -> None:
        """Take `wanted`, or any free port when that is taken (or 0)."""
        self._name = socket.socket(socket.AF_UNIX)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if wanted and _LINUX:  # others of our kind would bind beside us: a name that only one can have
                self._name.bind(f"\0guichet tests port {wanted}")
            elif wanted and _answers(wanted):  # the bind alone would not tell
                raise OSError(f"port {wanted} is taken")
            self._socket.bind((HOST, wanted))
        except OSError:
            self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]
        if not _LINUX:
            self._socket.close()

    def release(self) -> None:
        """Others may have it from now on."""
        self._socket.close()
        self._name.close()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False

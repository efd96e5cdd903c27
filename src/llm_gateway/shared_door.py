"""One port that several processes of a machine serve.

On Linux each worker listens by itself (``SO_REUSEPORT``) and the system shares connections out among them: more evenly
than where all accept from one socket, and one that dies takes none with it that come later. Elsewhere they accept from
one socket.
"""

import socket
import sys

from llm_gateway.serving import listen

_EACH_BY_ITSELF = sys.platform == "linux"


class SharedDoor:
    """Holds the port for the workers; where each listens by itself it does not listen.

    Raises:
        ConfigurationError: it is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self._held = listen(host, port)  # also where another would share its port, which nobody wants
        self.port: int = self._held.getsockname()[1]
        if _EACH_BY_ITSELF:
            self._held.close()
            self._held = _bound(host, self.port)

    def fds(self) -> dict[str, int]:
        """What a worker inherits."""
        return {} if _EACH_BY_ITSELF else {"listen": self._held.fileno()}

    def close(self) -> None:
        """Holds it no more."""
        self._held.close()


def worker_socket(host: str, port: int, inherited_fd: int | None) -> socket.socket:
    """What a worker serves; connections come from the moment it listens."""
    if inherited_fd is not None:
        return socket.socket(fileno=inherited_fd)
    return _bound(host, port)


def _bound(host: str, port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if held.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind((host, port))
    return held

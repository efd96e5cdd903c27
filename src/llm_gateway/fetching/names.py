"""Names of hosts to addresses."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

_AT_ONCE = 4


class NameResolver(Protocol):
    """Says where a host is."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Addresses in their usual form; raises OSError where there are none."""
        ...


class SystemNames:
    """The system's own resolver, in a few threads of its own: a name server that hangs holds up nobody else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, "fetch-names")

    async def addresses(self, host: str) -> Sequence[str]:
        """By ``getaddrinfo``, which also reads the old forms of an address, such as ``2130706433``."""
        look_up = socket.getaddrinfo
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: look_up(host, None, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys([str(each[4][0]) for each in found]))


class ListedNames:
    """Names from a list, for tests and for hosts that shall stay where they are."""

    def __init__(self, listed: Mapping[str, Sequence[str]]) -> None:
        self._listed = listed

    async def addresses(self, host: str) -> Sequence[str]:
        """Raises OSError for what is not listed."""
        if host not in self._listed:
            raise OSError("not listed")
        return self._listed[host]

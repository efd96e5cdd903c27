"""Sessions that models share: one for each event loop that asks, for models of the same gateway."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

try:
    from for_agents.bedrock_client import BackgroundLoop, GatewayClient
except ImportError:  # used from inside the folder
    from bedrock_client import BackgroundLoop, GatewayClient  # type: ignore[no-redef]


class Clients:
    """One client for each event loop that asks, and one loop in a thread for callers that have none."""

    def __init__(self, make: Callable[[], GatewayClient]) -> None:
        self._make = make
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, GatewayClient] = WeakKeyDictionary()
        self._background: BackgroundLoop | None = None
        self._starting = threading.Lock()

    def here(self) -> GatewayClient:
        """The client of the loop that runs."""
        loop = asyncio.get_running_loop()
        client = self._of.get(loop)
        if client is None:
            client = self._of[loop] = self._make()
        return client

    @property
    def background(self) -> BackgroundLoop:
        """The loop of those who have none."""
        with self._starting:
            if self._background is None:
                self._background = BackgroundLoop()
            return self._background


def clients_of(
    url: str | None,
    key: str | None,
    env: Mapping[str, str],
    command: Sequence[str] | None,
    timeout_s: float,
    paid_once: bool = False,
) -> Clients:
    """The same for all who speak to the same gateway in the same way."""
    settings = (url, key, tuple(sorted(env.items())), tuple(command or ()), timeout_s, paid_once)
    with _SHARING:
        clients = _SHARED.get(settings)
        if clients is None:
            clients = _SHARED[settings] = Clients(
                lambda: GatewayClient(url, key=key, env=env, command=command, timeout_s=timeout_s, paid_once=paid_once)
            )
        return clients


_SHARED: dict[object, Clients] = {}
_SHARING = threading.Lock()

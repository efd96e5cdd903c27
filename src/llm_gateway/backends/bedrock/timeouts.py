"""How long each wait may last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``connect_s`` for the TCP and TLS connection, ``first_event_s`` from sending to the first event,
    ``idle_s`` between events (healthy silences of up to 57 s were seen), ``total_s`` for everything."""

    connect_s: float = 5.0
    first_event_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0

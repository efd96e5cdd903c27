"""What may be tried after a fault of the model's side: one line of the matrix of faults each."""

from typing import Literal, NamedTuple

Says = Literal["nothing", "fails", "throttles"]
"""Of a target: whether a fault counts against it, or only asks for a pause."""


class Remedy(NamedTuple):
    """``same`` times the target may be asked again, with pauses of full jitter from ``pause_s``; ``falls``: another may
    be asked (``once``: one other, since each may have been paid for)."""

    same: int = 0
    falls: bool = False
    says: Says = "nothing"
    pause_s: float = 0.05
    once: bool = False


NOTHING = Remedy()
ANOTHER = Remedy(falls=True)
THROTTLED = Remedy(2, falls=True, says="throttles", pause_s=1.0)
NOT_READY = Remedy(2, falls=True, says="fails", pause_s=1.0)
BUSY = Remedy(2, falls=True, says="fails", pause_s=0.2)
BROKEN = Remedy(2, falls=True, says="fails")
ONCE_MORE = Remedy(1, falls=True, says="fails")
REFUSED = Remedy(0, falls=True, says="fails")
SILENT = Remedy(0, falls=True, says="fails", once=True)
FELL_SILENT = Remedy(0, says="fails")

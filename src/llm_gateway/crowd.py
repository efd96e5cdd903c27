"""How many requests are under way, and how many may be: one more is refused at once, before anything is done for it."""

from types import TracebackType

from llm_gateway.board import Board
from llm_gateway.domain.errors import Overloaded

MOST = 1000
_AGAIN_S = 1.0


class Crowd:
    """The requests under way; as a context it holds one of them. ``most`` are let in at the same time, by all processes
    of the board together: two that let in the last one at the same moment let in one too many."""

    def __init__(self, most: int = MOST, board: Board | None = None, seat: int = 0) -> None:
        self._most = most
        self._board = board or Board.of_one()
        self._seat = seat

    @property
    def is_empty(self) -> bool:
        """Whether no request is under way."""
        return self._board.under_way == 0

    def refuse_if_full(self) -> None:
        """Raises:
        Overloaded: as many as may be are under way.
        """
        if self._board.under_way >= self._most:
            raise Overloaded(
                f"{self._most} requests are under way, as many as may be (MAX_CONCURRENT_REQUESTS); ask again",
                retry_after_s=_AGAIN_S,
            )

    def __enter__(self) -> None:
        self.refuse_if_full()
        self._board.count(self._seat, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.count(self._seat, -1)

"""What to do on the socket for one request, as data: a status, headers and a row of steps. Performed by stage.py."""

from collections.abc import Iterable
from dataclasses import dataclass

from llm_gateway.sandbox.frames import EVENT_STREAM
from llm_gateway.sandbox.refusals import Refusal

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes of the body, in one chunk. The first one, even empty, sends the head."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing any more, until the client leaves or the sandbox stops."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down (RST)."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection is closed in an orderly way (FIN), whatever was promised."""


Step = Send | Wait | Silence | Reset | HangUp


@dataclass(frozen=True, slots=True)
class Play:
    """`length` is what content-length claims; None means chunks, which end when the steps end."""

    status: int
    headers: dict[str, str]
    steps: Iterable[Step]
    length: int | None = None


def whole(body: bytes, *, status: int = 200, content_type: str = JSON, headers: dict[str, str] | None = None) -> Play:
    return Play(status, {"content-type": content_type, **(headers or {})}, (Send(body),), len(body))


def refusal_play(refusal: Refusal) -> Play:
    return whole(
        refusal.body, status=refusal.status, headers={"x-amzn-errortype": refusal.error_type, **refusal.headers}
    )


def stream(steps: Iterable[Step]) -> Play:
    return Play(200, {"content-type": EVENT_STREAM}, steps)

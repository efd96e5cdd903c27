"""What Bedrock answers when it does not answer: status, type and its own words. A table, and the exception for it."""

from dataclasses import dataclass, field

from llm_gateway.sandbox.wire_json import Json, dump

_BEDROCK = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_FRONT_DOOR = "http://internal.amazon.com/coral/com.amazon.coral.service/"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer. `front_door` errors come from the layer that checks credentials, before Bedrock itself."""

    status: int
    kind: str
    message: str
    front_door: bool = False
    capital: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def body(self) -> bytes:
        answer: Json = {"Message" if self.capital else "message": self.message}
        return dump(answer)

    @property
    def error_type(self) -> str:
        """The value of `x-amzn-errortype`."""
        return f"{self.kind}:{_FRONT_DOOR if self.front_door else _BEDROCK}"


class Refused(Exception):
    """Raised wherever a request turns out to be one that Bedrock would refuse."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str) -> Refused:
    return Refused(Refusal(400, "ValidationException", message))


def from_the_model(message: str) -> Refused:
    """The vendor's own complaint, which Bedrock hands on behind its standing words."""
    return invalid(f"The model returned the following errors: {message}")


def unreadable(message: str) -> Refused:
    return Refused(Refusal(400, "SerializationException", message, front_door=True))


def denied(kind: str, message: str, *, capital: bool = False) -> Refused:
    return Refused(Refusal(403, kind, message, front_door=True, capital=capital))

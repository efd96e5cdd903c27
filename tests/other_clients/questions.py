"""What every client is asked: the same words to the sandbox, the same pictures, the same faults."""

import base64

from pydantic import BaseModel

HELLO = "Say: Good morning."
ONE_TOOL = '[[tool:get_weather {"city": "Paris"}]] What is the weather?'
ALL_TOOLS = "[[tools]] The weather and the time?"
RAIN, NOON = "Rain, 12 degrees", "Noon in summer"
PLAIN_MODEL, THINKING_MODEL, ADAPTIVE_MODEL = "nova-pro", "claude-sonnet-4-5", "claude-sonnet-4-6"
PNG_TEXT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PNG = base64.b64decode(PNG_TEXT)

# fault of the sandbox: (HTTP status, code). Each client says in its own test which of its classes a status becomes.
REFUSALS: dict[str, tuple[int, str]] = {
    "validation": (400, "invalid_request"),
    "too-long": (400, "context_length_exceeded"),
    "not-found": (404, "model_not_found"),
    "throttle": (429, "upstream_throttled"),
    "throttle-day": (429, "upstream_quota_exceeded"),
    "access-denied": (502, "upstream_access_denied"),
    "internal": (502, "upstream_error"),
    "unavailable": (503, "upstream_unavailable"),
    "not-ready": (503, "upstream_not_ready"),
    "model-timeout": (504, "upstream_timeout"),
}
CUTS = ("exception-mid", "crc", "cut-frame", "no-stop", "reset-mid")  # the stream breaks off after half the answer


class Weather(BaseModel):
    """How it is outside."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return RAIN


def get_time() -> str:
    """The time of day."""
    return NOON


def fault(name: str) -> str:
    return f"[[fault:{name}]] Hello"

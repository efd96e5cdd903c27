"""What stands beside the conversation: guardrail, service tier, latency, metadata. Checked, and written. Pure.

Source of the bounds: the service model of ``bedrock-runtime``.
"""

import re
from typing import cast

from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, GuardrailWish

Json = dict[str, object]

_TIERS = ("default", "priority", "flex", "reserved")
_LATENCIES = ("standard", "optimized")
_TRACES = ("enabled", "disabled", "enabled_full")
_STREAM_MODES = ("sync", "async")
_GUARDRAIL_ID = re.compile(r"[a-zA-Z0-9:/_.-]{1,2048}", re.ASCII)
_GUARDRAIL_VERSION = re.compile(r"[1-9][0-9]{0,7}|DRAFT", re.ASCII)
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}", re.ASCII)
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
_MOST_METADATA = 16


def check_settings(request: GenerateRequest) -> None:
    """Raises InvalidRequest with the field of what Converse would refuse."""
    if request.guardrail is not None:
        _check_guardrail(request.guardrail)
    _check_word(request.service_tier, "service_tier", _TIERS)
    _check_word(request.latency, "latency", _LATENCIES)
    if request.metadata:
        _check_metadata(cast("dict[object, object]", request.metadata))


def settings_json(request: GenerateRequest, *, streaming: bool) -> Json:
    """The members of a Converse body; ``streaming`` for those that only a stream takes."""
    body: Json = {}
    if request.guardrail is not None:
        body["guardrailConfig"] = _guardrail_json(request.guardrail, streaming)
    if request.metadata:
        body["requestMetadata"] = request.metadata
    if request.latency is not None:
        body["performanceConfig"] = {"latency": request.latency}
    if request.service_tier is not None:
        body["serviceTier"] = {"type": request.service_tier}
    return body


def differs_in_streams(request: GenerateRequest) -> bool:
    """Whether the body of a stream is not that of a whole answer."""
    return request.guardrail is not None and request.guardrail.stream_mode is not None


def _guardrail_json(wish: GuardrailWish, streaming: bool) -> Json:
    body: Json = {"guardrailIdentifier": wish.id, "guardrailVersion": wish.version}
    if wish.trace is not None:
        body["trace"] = wish.trace
    if streaming and wish.stream_mode is not None:
        body["streamProcessingMode"] = wish.stream_mode
    return body


def _check_guardrail(wish: GuardrailWish) -> None:
    if not _GUARDRAIL_ID.fullmatch(wish.id):
        raise InvalidRequest(f"guardrail.id is {wish.id[:80]!r}; give a guardrail's id or ARN", field="guardrail.id")
    if not _GUARDRAIL_VERSION.fullmatch(wish.version):
        raise InvalidRequest(
            f"guardrail.version is {wish.version[:80]!r}; give a number from 1 up, or DRAFT", field="guardrail.version"
        )
    _check_word(wish.trace, "guardrail.trace", _TRACES)
    _check_word(wish.stream_mode, "guardrail.stream_mode", _STREAM_MODES)


def _check_word(value: str | None, field: str, words: tuple[str, ...]) -> None:
    if value is not None and value not in words:
        raise InvalidRequest(f"{field} is {value!r:.80}; use one of {', '.join(words)}", field=field)


def _check_metadata(metadata: dict[object, object]) -> None:
    if len(metadata) > _MOST_METADATA:
        raise InvalidRequest(
            f"metadata has {len(metadata)} pairs; Bedrock takes at most {_MOST_METADATA}", field="metadata"
        )
    allowed = "up to 256 letters, digits, white space and : _ @ $ # = / + , . -"
    for key, value in metadata.items():
        if not isinstance(key, str) or not _METADATA_KEY.fullmatch(key):
            raise InvalidRequest(f"metadata has the key {key!r:.80}; allowed are {allowed}", field="metadata")
        if not isinstance(value, str) or not _METADATA_VALUE.fullmatch(value):
            raise InvalidRequest(f"metadata.{key} is {value!r:.80}; allowed are {allowed}", field=f"metadata.{key}")

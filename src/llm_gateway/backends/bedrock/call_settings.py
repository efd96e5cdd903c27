"""What stands beside the conversation: guardrail, service tier, latency, metadata. Checked, and written. Pure.

Source of the bounds: the service model of ``bedrock-runtime``.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from llm_gateway.backends.bedrock.json_shape import as_object, as_text, read_object
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.requests import GenerateRequest, GuardrailWish, ResponseFormat

Json = dict[str, object]
ServiceTier = Literal["default", "priority", "flex", "reserved"]
Latency = Literal["standard", "optimized"]

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


class Settings(NamedTuple):
    """The settings of a Converse body as ours, and the names of the members that were read."""

    guardrail: GuardrailWish | None = None
    service_tier: ServiceTier | None = None
    latency: Latency | None = None
    metadata: Mapping[str, str] | None = None
    response_format: ResponseFormat | None = None
    read: frozenset[str] = frozenset()


def read_settings(body: Mapping[str, object]) -> Settings:
    """What :func:`settings_json` and the answer's form would write, read back; the rest is not among ``read``."""
    guardrail = _read_guardrail(as_object(body.get("guardrailConfig")))
    tier = as_object(body.get("serviceTier")).get("type")
    latency = as_object(body.get("performanceConfig")).get("latency")
    told = as_object(body.get("requestMetadata"))
    metadata = {key: value for key, value in told.items() if isinstance(value, str)}
    form = _read_form(as_object(body.get("outputConfig")))
    found = {
        "guardrailConfig": guardrail,
        "serviceTier": tier if tier in _TIERS else None,
        "performanceConfig": latency if latency in _LATENCIES else None,
        "requestMetadata": metadata or None,
        "outputConfig": form,
    }
    return Settings(
        guardrail=guardrail,
        service_tier=cast("ServiceTier | None", found["serviceTier"]),
        latency=cast("Latency | None", found["performanceConfig"]),
        metadata=metadata or None,
        response_format=form,
        read=frozenset([name for name, value in found.items() if value is not None]),
    )


def _read_guardrail(told: Mapping[str, object]) -> GuardrailWish | None:
    guardrail_id, version = as_text(told.get("guardrailIdentifier")), as_text(told.get("guardrailVersion"))
    if guardrail_id is None or version is None:
        return None
    trace, mode = told.get("trace"), told.get("streamProcessingMode")
    return GuardrailWish(
        guardrail_id,
        version,
        cast("Any", trace) if trace in _TRACES else None,
        cast("Any", mode) if mode in _STREAM_MODES else None,
    )


def _read_form(told: Mapping[str, object]) -> ResponseFormat | None:
    structure = as_object(as_object(told.get("textFormat")).get("structure"))
    form = as_object(structure.get("jsonSchema"))
    schema = read_object((as_text(form.get("schema")) or "").encode("utf-8", "surrogatepass"))
    if not schema:
        return None
    return ResponseFormat("json_schema", schema, as_text(form.get("name")), as_text(form.get("description")))


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

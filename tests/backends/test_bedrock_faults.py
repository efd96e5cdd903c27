"""What Bedrock says when it refuses, row by row, and what of it a caller sees."""

import json
from pathlib import Path
from typing import Any

import pytest
from bedrock_words import NOVA, ask

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.event_stream import Head
from llm_gateway.backends.bedrock.fault_words import field_of, iam_action, overflow, shown
from llm_gateway.backends.bedrock.faults import (
    error_of,
    frame_fault,
    http_fault,
    is_expired_auth,
    stream_error_of,
    wants_profile,
    wants_whole,
    wants_whole_with_tools,
)
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.errors import (
    BackendError,
    BackendGarbled,
    BackendRefused,
    BackendThrottled,
    BackendTimeout,
    BackendUnavailable,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    UnknownModel,
)

ASKED = Asked(ask("Hello"), (), NOVA)
SPENT = Usage(5, 7, estimated=True)


def http(status: int, kind: str = "", message: str = "", **headers: str) -> GatewayError:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind:
        given["x-amzn-errortype"] = f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return error_of(http_fault(status, given, json.dumps({"message": message}).encode()), ASKED)


# id in errors.json -> class and code of the matrix
DOCUMENTED: dict[str, tuple[type[GatewayError], str]] = {
    "stream-invalid-model-id": (UnknownModel, "model_not_found"),
    "expired-token": (BackendRefused, "upstream_auth_error"),
    "unrecognized-client": (BackendRefused, "upstream_auth_error"),
    "signature-expired": (BackendRefused, "upstream_auth_error"),
    "account-not-authorized": (BackendRefused, "upstream_access_denied"),
    "api-key-format": (BackendRefused, "upstream_access_denied"),
    "scp-deny": (BackendRefused, "upstream_access_denied"),
    "marketplace-viewsubs": (BackendRefused, "upstream_access_denied"),
    "throttle-tokens": (BackendThrottled, "upstream_throttled"),
    "throttle-tokens-day": (BackendThrottled, "upstream_quota_exceeded"),
    "connections-503": (BackendUnavailable, "upstream_unavailable"),
    "model-not-found": (UnknownModel, "model_not_found"),
    "input-too-long-model": (ContextTooLong, "context_length_exceeded"),
    "prompt-too-long": (ContextTooLong, "context_length_exceeded"),
    "model-error-tooluse": (BackendUnavailable, "upstream_model_error"),
    "model-not-ready": (BackendUnavailable, "upstream_not_ready"),
    "model-timeout": (BackendTimeout, "upstream_timeout"),
    "internal-server": (BackendUnavailable, "upstream_error"),
    "service-quota": (BackendThrottled, "upstream_quota_exceeded"),
    "midstream-service-unavailable": (BackendUnavailable, "upstream_unavailable"),
    "midstream-throttling": (BackendThrottled, "upstream_throttled"),
    "midstream-input-too-long": (ContextTooLong, "context_length_exceeded"),
    "midstream-model-error-tooluse": (BackendUnavailable, "upstream_model_error"),
    "midstream-internal": (BackendUnavailable, "upstream_error"),
}


def test_every_published_error_has_its_documented_code(traffic: Path) -> None:
    rows: list[dict[str, Any]] = json.loads((traffic / "errors.json").read_text(encoding="utf-8"))
    seen: set[str] = set()
    for row in rows:
        body = json.dumps(row["body"]).encode()
        if row["mid_stream"]:
            fault = frame_fault(Head("exception", row["errortype"]), body, "id-1")
        else:
            fault = http_fault(row["http_status"], {"x-amzn-errortype": row["errortype_header"]}, body)
        error = error_of(fault, ASKED, SPENT if row["mid_stream"] else None)
        wanted = DOCUMENTED.get(row["id"])
        if wanted is None:  # every other row is a ValidationException that the caller can mend
            assert "Validation" in row["errortype"], row["id"]
            wanted = (InvalidRequest, "invalid_request")
        assert (type(error), error.code) == wanted, row["id"]
        assert "111122223333" not in error.message
        assert "arn:" not in error.message
        seen.add(row["id"])
    assert seen >= set(DOCUMENTED)


def test_a_type_is_read_without_case_and_before_the_colon() -> None:
    body = b'{"message": "slow down"}'
    for written in (
        "ThrottlingException:http://x/",
        "throttlingException",
        "com.amazon#ThrottlingException",
        "THROTTLING",
    ):
        assert http_fault(429, {"x-amzn-errortype": written}, body).kind == "throttling"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, b'{"message": "no"}', InvalidRequest, "invalid_request"),
        (401, b"{}", BackendRefused, "upstream_access_denied"),
        (403, b'{"message": "no"}', BackendRefused, "upstream_access_denied"),
        (
            403,
            b'{"message": "The security token included in the request is expired"}',
            BackendRefused,
            "upstream_auth_error",
        ),
        (403, b'{"message": "Signature expired: a is now earlier"}', BackendRefused, "upstream_auth_error"),
        (404, b'{"message": "Model not found."}', UnknownModel, "model_not_found"),
        (404, b"<html>not here</html>", BackendUnavailable, "upstream_error"),
        (408, b"", BackendTimeout, "upstream_timeout"),
        (413, b"", InvalidRequest, "payload_too_large"),
        (424, b'{"message": "no"}', BackendUnavailable, "upstream_model_error"),
        (429, b"", BackendThrottled, "upstream_throttled"),
        (500, b"", BackendUnavailable, "upstream_error"),
        (502, b"<html>", BackendUnavailable, "upstream_error"),
        (503, b"", BackendUnavailable, "upstream_unavailable"),
        (504, b"", BackendTimeout, "upstream_timeout"),
        (599, b"", BackendUnavailable, "upstream_error"),
        (302, b"", BackendUnavailable, "upstream_error"),
        (407, b"", BackendUnavailable, "upstream_error"),
    ],
)
def test_without_a_type_the_status_decides(status: int, body: bytes, kind: type[GatewayError], code: str) -> None:
    error = error_of(http_fault(status, {}, body), ASKED)
    assert (type(error), error.code) == (kind, code)


def test_a_type_in_the_body_is_read_too() -> None:
    fault = http_fault(400, {}, b'{"__type": "com.amazon#ServiceQuotaExceededException", "Message": "too much"}')
    assert error_of(fault, ASKED).code == "upstream_quota_exceeded"


def test_the_ledger_column_is_kept() -> None:
    costs_nothing = [
        http(429, "ThrottlingException"),
        http(503, "ServiceUnavailableException"),
        http(500, "InternalServerException"),
        http(424, "ModelErrorException"),
        http(403, "AccessDeniedException"),
        http(504),
    ]
    assert [error.spent for error in costs_nothing if isinstance(error, BackendError)] == [None] * 6
    timeout = http(408, "ModelTimeoutException")
    assert isinstance(timeout, BackendTimeout)
    assert timeout.spent is not None
    assert timeout.spent.estimated
    assert timeout.spent.input_tokens > 0
    assert timeout.spent.output_tokens == 0


def test_a_throttle_says_when_to_come_back() -> None:
    assert http(429, "ThrottlingException").retry_after_s == 1.0
    assert http(429, "ThrottlingException", x_amz_retry_after="2500").retry_after_s == 2.5
    assert http(429, "ThrottlingException", retry_after="7").retry_after_s == 7
    assert http(429, "ThrottlingException", retry_after="Wed, 21 Oct").retry_after_s == 1.0
    assert http(503, "ServiceUnavailableException").retry_after_s == 1.0
    assert http(429, "ThrottlingException", retry_after="999999999").retry_after_s == 3_600
    assert http(429, "ThrottlingException", "Too many tokens per day, please wait").retry_after_s is None


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("Input is too long for requested model.", (None, None)),
        ("prompt is too long: 227255 tokens > 200000 maximum", (200_000, 227_255)),
        ("prompt is too long: 227,255 tokens > 200,000 maximum", (200_000, 227_255)),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", (None, None)),
        ("The number of input tokens exceeds the maximum length.", (None, None)),
        ("expected maxLength: 200000, actual: 227255, please reformat your input.", (None, None)),
        (
            "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens",
            (131_072, 140_000),
        ),
        ("This model's maximum context length is 131072 tokens. Please shorten.", (131_072, None)),
    ],
)
def test_an_overflow_is_known_by_its_idea(message: str, numbers: tuple[int | None, int | None]) -> None:
    assert overflow(message) == numbers
    error = http(400, "ValidationException", f"The model returned the following errors: {message}")
    assert isinstance(error, ContextTooLong)
    assert (error.limit_tokens, error.asked_tokens) == numbers
    for words in ("prompt is too long", "exceeds the context window", "maximum context length"):
        assert words in error.message, "clients know an overflow by these words"
    if None not in numbers:
        assert f"prompt is too long: {numbers[1]} tokens > {numbers[0]} maximum" in error.message


@pytest.mark.parametrize(
    "message",
    [
        "The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower value.",
        "1 validation error detected: Value at 'messages' exceeds maximum length of the input",
        "This model doesn't support the s3Uri field.",
        "A conversation must start with a user message.",
        "Malformed input request, please reformat your input and try again.",
    ],
)
def test_other_refusals_are_no_overflow(message: str) -> None:
    assert type(http(400, "ValidationException", message)) is InvalidRequest


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Value '1.5' at 'inferenceConfig.temperature' failed", "temperature"),
        ("The text field in the ContentBlock object at messages.2.content.1 is blank.", "messages[2].content[1]"),
        ("messages.7.content: Conversation blocks and tool use blocks", "messages[7].content"),
        ("Value '' at 'toolConfig.tools.1.member.toolSpec.name' failed", "tools[0].name"),
        ("Value at 'toolConfig.tools' failed", "tools"),
        ("Value at 'additionalModelRequestFields.x'", "extra_fields.x"),
        ("nothing is named here", None),
    ],
)
def test_the_blamed_field_has_our_name(message: str, field: str | None) -> None:
    assert field_of(message) == field
    error = http(400, "ValidationException", message)
    assert isinstance(error, InvalidRequest)
    assert error.field == field


def test_what_is_shown_holds_no_account_host_or_key() -> None:
    said = shown(
        "User: arn:aws:sts::111122223333:assumed-role/app/session may not perform bedrock:X on "
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-v2:1, account 999999999999, see "
        "https://internal.example/x, host bedrock-runtime.us-east-1.amazonaws.com, docs at "
        "https://docs.aws.amazon.com/bedrock key AKIAIOSFODNN7EXAMPLE"
    )
    for secret in ("111122223333", "999999999999", "arn:", "internal.example", "us-east-1.amazonaws", "AKIAIOSFODNN7"):
        assert secret not in said
    assert "anthropic.claude-v2:1" in said
    assert "docs.aws.amazon.com" in said
    assert len(shown("x" * 5_000)) < 700


def test_a_denial_names_the_action_and_the_doctor() -> None:
    error = http(
        403, "AccessDeniedException", "User: arn:aws:sts::1:x is not authorized to perform: bedrock:InvokeModel on"
    )
    assert "bedrock:InvokeModel" in error.message
    assert "llm-gateway doctor" in error.message
    assert not error.retryable
    assert iam_action("no action here") is None
    assert "API key" in http(403, "AccessDeniedException", "Invalid API Key format").message


def test_an_arn_of_ours_is_not_shown_as_the_model() -> None:
    arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
    call = ask("Hello", model=arn)
    asked = Asked(type(call)(call.request, type(call.model)("team-model", arn, None)), (), arn)
    error = error_of(http_fault(429, {}, b""), asked)
    assert isinstance(error, BackendThrottled)
    assert error.model == "team-model"
    assert "111122223333" not in error.message


def test_in_mid_stream_the_code_is_one_and_the_class_is_the_twins() -> None:
    def middle(kind: str) -> GatewayError:
        return stream_error_of(frame_fault(Head("exception", kind), b'{"message": "no"}', "id-1"), ASKED, SPENT)

    for kind, wanted in {
        "throttlingException": BackendThrottled,
        "validationException": InvalidRequest,
        "internalServerException": BackendGarbled,
        "modelStreamErrorException": BackendGarbled,
        "somethingNewException": BackendGarbled,
    }.items():
        error = middle(kind)
        assert type(error) is wanted
        assert error.code == "upstream_stream_error"
        if isinstance(error, BackendError):
            assert error.spent == SPENT
            assert error.upstream_request_id == "id-1"


def test_a_frame_keeps_the_vendors_own_words() -> None:
    payload = b'{"message": "model failed", "originalStatusCode": 400, "originalMessage": "bad tool"}'
    fault = frame_fault(Head("exception", "modelStreamErrorException"), payload, None)
    assert fault.message == "model failed (bad tool)"
    assert frame_fault(Head("error", "InternalFailure", "boom"), b"", None).message == "boom"
    assert frame_fault(Head("exception", "x"), b'{"originalMessage": "o"}', None).message == "o"
    assert frame_fault(Head("exception", "x"), b"no json", None).kind == "internalserver"


def test_what_can_be_mended_is_recognised() -> None:
    def validation(message: str) -> Any:
        return http_fault(400, {"x-amzn-errortype": "ValidationException"}, json.dumps({"message": message}).encode())

    assert wants_profile(validation("Invocation of model ID x with on-demand throughput isn’t supported."))
    assert wants_profile(validation("The provided model does not support on-demand throughput"))
    assert wants_whole(validation("The model is unsupported for streaming."))
    assert wants_whole_with_tools(validation("This model doesn't support tool use in streaming mode."))
    assert not wants_whole(validation("no"))
    assert is_expired_auth(http_fault(403, {"x-amzn-errortype": "ExpiredTokenException"}, b"{}"))
    assert not is_expired_auth(http_fault(403, {"x-amzn-errortype": "AccessDeniedException"}, b"{}"))

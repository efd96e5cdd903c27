"""Faults that are a plain error answer: what they say, by which status and type. Words as Bedrock uses them.

Each entry makes a Refusal from the model asked and the argument behind the fault's name (`[[fault:throttle:3]]`).
"""

from collections.abc import Callable

from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.refusals import Refusal

Refusing = Callable[[ModelId, str], Refusal]

TOO_MANY_TOKENS = "Too many tokens, please wait before trying again."
TOO_MANY_REQUESTS = (
    "Too many requests, please wait before trying again. You have sent too many requests.  Wait before trying again."
)
TOO_LONG = {
    "bare": "Input is too long for requested model.",
    "model": "The model returned the following errors: Input is too long for requested model.",
    "claude": "The model returned the following errors: prompt is too long: 225000 tokens > 200000 maximum",
    "claude-output": (
        "The model returned the following errors: input length and `max_tokens` exceed context limit: "
        "198000 + 8192 > 200000, decrease input length or `max_tokens` and try again"
    ),
    "nova": (
        "The model returned the following errors: The number of input tokens exceeds the maximum length that this "
        "model takes."
    ),
    "schema": "Malformed input request: expected maxLength: 200000, actual: 225000, please reformat your input.",
    "openai": "This model's maximum context length is 131072 tokens. Please reduce the length of the messages.",
}
_DENIED = {
    "account": "Your account is not authorized to invoke this API operation.",
    "model": "You don't have access to the model with the specified model ID.",
    "scp": (
        "User: arn:aws:sts::111122223333:assumed-role/app/session is not authorized to perform: bedrock:InvokeModel on "
        "resource: arn:aws:bedrock:::foundation-model/{model} with an explicit deny in a service control policy"
    ),
    "marketplace": (
        "Model access is denied due to User: arn:aws:sts::111122223333:assumed-role/app/session is not authorized to "
        "perform: aws-marketplace:ViewSubscriptions on resource: * because no identity-based policy allows the "
        "aws-marketplace:ViewSubscriptions action. Your AWS Marketplace subscription for this model cannot be "
        "completed at this time. If you recently fixed this issue, try again after 15 minutes."
    ),
}


def _always(status: int, kind: str, message: str, *, front_door: bool = False) -> Refusing:
    def refusing(model: ModelId, argument: str) -> Refusal:
        return Refusal(status, kind, message.replace("{model}", model.bare), front_door)

    return refusing


def _throttle(message: str) -> Refusing:
    """The argument is the seconds of an `x-amz-retry-after` header, which counts in milliseconds."""

    def refusing(model: ModelId, argument: str) -> Refusal:
        try:
            headers = {"x-amz-retry-after": str(round(float(argument) * 1000))} if argument else {}
        except (ValueError, OverflowError):
            headers = {}
        return Refusal(429, "ThrottlingException", message, headers=headers)

    return refusing


def _too_long(model: ModelId, argument: str) -> Refusal:
    if argument in TOO_LONG:
        return Refusal(400, "ValidationException", TOO_LONG[argument])
    return model.facts.too_long(model.facts.context_tokens * 9 // 8).refusal


def _access_denied(model: ModelId, argument: str) -> Refusal:
    message = _DENIED.get(argument, _DENIED["account"]).replace("{model}", model.bare)
    return Refusal(403, "AccessDeniedException", message, capital=argument == "scp")


REFUSING: dict[str, tuple[str, Refusing]] = {
    "throttle": (
        "429 ThrottlingException, too many tokens; argument: seconds for x-amz-retry-after",
        _throttle(TOO_MANY_TOKENS),
    ),
    "throttle-requests": ("429 ThrottlingException, too many requests", _throttle(TOO_MANY_REQUESTS)),
    "throttle-day": (
        "429 ThrottlingException, the day's tokens are used up: no retry helps",
        _throttle("Too many tokens per day, please wait before trying again."),
    ),
    "too-many-connections": (
        "503 ServiceUnavailableException that means a throttle",
        _always(503, "ServiceUnavailableException", "Too many connections, please wait before trying again."),
    ),
    "not-ready": (
        "429 ModelNotReadyException",
        _always(429, "ModelNotReadyException", "Model is not ready for inference. Wait and try your request again."),
    ),
    "quota": (
        "400 ServiceQuotaExceededException",
        _always(
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account. You can view your quotas at viewing service "
            "quotas. You can resubmit your request later.",
        ),
    ),
    "validation": (
        "400 ValidationException",
        _always(400, "ValidationException", "Malformed input request, please reformat your input and try again."),
    ),
    "too-long": (
        f"400 ValidationException in the family's own spelling; argument: one of {', '.join(TOO_LONG)}",
        _too_long,
    ),
    "access-denied": (
        f"403 AccessDeniedException; argument: one of {', '.join(_DENIED)}",
        _access_denied,
    ),
    "expired-token": (
        "403 ExpiredTokenException",
        _always(403, "ExpiredTokenException", "The security token included in the request is expired", front_door=True),
    ),
    "unrecognized-client": (
        "403 UnrecognizedClientException",
        _always(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            front_door=True,
        ),
    ),
    "invalid-signature": (
        "403 InvalidSignatureException, as when the clock is wrong",
        _always(
            403,
            "InvalidSignatureException",
            "Signature expired: 20261117T063822Z is now earlier than 20261117T063849Z (20261117T064349Z - 5 min.)",
            front_door=True,
        ),
    ),
    "not-found": (
        "404 ResourceNotFoundException",
        _always(404, "ResourceNotFoundException", "Model not found."),
    ),
    "legacy-not-found": (
        "404 ResourceNotFoundException: a Legacy model that the account has not used lately",
        _always(
            404,
            "ResourceNotFoundException",
            "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model "
            "in the last 30 days. Please upgrade to an active model on Amazon Bedrock",
        ),
    ),
    "end-of-life": (
        "404 ResourceNotFoundException: the model is gone",
        _always(404, "ResourceNotFoundException", "This model version has reached the end of its life."),
    ),
    "on-demand": (
        "400 ValidationException: the bare id must be called through a profile",
        _always(
            400,
            "ValidationException",
            "Invocation of model ID {model} with on-demand throughput isn’t supported. Retry your request with the ID "
            "or ARN of an inference profile that contains this model.",
        ),
    ),
    "model-timeout": (
        "408 ModelTimeoutException",
        _always(408, "ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
    ),
    "model-error": (
        "424 ModelErrorException, of a tool call that went wrong inside the model",
        _always(
            424,
            "ModelErrorException",
            "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting "
            "guide.",
        ),
    ),
    "internal": (
        "500 InternalServerException",
        _always(
            500,
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    ),
    "unavailable": (
        "503 ServiceUnavailableException",
        _always(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    ),
}

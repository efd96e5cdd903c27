"""The control plane, as much of it as SDKs ask: models and inference profiles, from the sandbox's own table."""

from urllib.parse import parse_qsl, unquote

from llm_gateway.sandbox.models import ModelFacts, all_facts
from llm_gateway.sandbox.refusals import Refusal, Refused, invalid
from llm_gateway.sandbox.wire_json import Json

_REGION = "us-east-1"
_ACCOUNT = "111122223333"
_LONGEST_NAME = 20
_FILTERS = {
    "byProvider": "providerName",
    "byOutputModality": "outputModalities",
    "byInferenceType": "inferenceTypesSupported",
    "byCustomizationType": "customizationsSupported",
}
_HIDDEN_MODEL = "amazon.nova-lite-v1:0"


def control_answer(raw_path: str) -> Json | None:
    """What GET on this path answers; None when it is no path of the control plane. Raises Refused."""
    path, _, query = raw_path.partition("?")
    asked = dict(parse_qsl(query))
    kind, _, given = path.removeprefix("/").partition("/")
    if kind == "foundation-models":
        return {"modelDetails": _one_model(unquote(given))} if given else {"modelSummaries": _models(asked)}
    if kind == "inference-profiles":
        return _one_profile(unquote(given)) if given else _page(_profiles(asked.get("type")), asked)
    return None


def _models(asked: dict[str, str]) -> list[Json]:
    every = [_summary(model_id, facts) for facts in all_facts() for model_id in facts.ids]
    return [model for model in every if all(asked[name] in model[_FILTERS[name]] for name in _FILTERS if name in asked)]


def _summary(model_id: str, facts: ModelFacts) -> Json:
    return {
        "modelArn": _model_arn(model_id),
        "modelId": model_id,
        "modelName": model_id.partition(".")[2][:_LONGEST_NAME],
        "providerName": facts.provider,
        "inputModalities": list(facts.input),
        "outputModalities": list(facts.output),
        "responseStreamingSupported": facts.streaming,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"] if facts.on_demand else ["INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _one_model(given: str) -> Json:
    bare = given.rpartition("/")[2]
    found = next((model for model in _models({}) if model["modelId"] == bare), None)
    if found is None:
        raise invalid("The provided model identifier is invalid.")
    return found


def _profiles(kind: str | None) -> list[Json]:
    if kind == "APPLICATION":
        return []
    return [
        _profile(f"{prefix}.{model_id}", model_id, prefix)
        for facts in all_facts()
        for model_id in facts.ids
        for prefix in facts.profiles
    ]


def _profile(profile_id: str, model_id: str, prefix: str) -> Json:
    return {
        "inferenceProfileName": f"{prefix.upper()} {model_id.partition('.')[2]}".replace(":", " ").replace(".", " ")[
            :64
        ],
        "description": f"Routes requests to {model_id}",
        "createdAt": "2026-01-15T00:00:00Z",
        "updatedAt": "2026-01-15T00:00:00Z",
        "inferenceProfileArn": f"arn:aws:bedrock:{_REGION}:{_ACCOUNT}:inference-profile/{profile_id}",
        "models": [{"modelArn": _model_arn(model_id)}],
        "inferenceProfileId": profile_id,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def _one_profile(given: str) -> Json:
    """Application profiles of any opaque id exist, and all hide the same model."""
    if ":application-inference-profile/" in given:
        opaque = given.rpartition("/")[2]
        return {**_profile(opaque, _HIDDEN_MODEL, "app"), "inferenceProfileArn": given, "type": "APPLICATION"}
    bare = given.rpartition("/")[2]
    found = next((profile for profile in _profiles(None) if profile["inferenceProfileId"] == bare), None)
    if found is None:
        raise Refused(Refusal(404, "ResourceNotFoundException", "The requested inference profile was not found."))
    return found


def _page(profiles: list[Json], asked: dict[str, str]) -> Json:
    """`nextToken` is where the next page begins."""
    size, start = asked.get("maxResults", "1000"), asked.get("nextToken", "0")
    if not (size.isdecimal() and 1 <= int(size) <= 1000 and start.isdecimal()):
        raise invalid(
            "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value "
            "between 1 and 1000"
        )
    end = int(start) + int(size)
    answer: Json = {"inferenceProfileSummaries": profiles[int(start) : end]}
    return {**answer, "nextToken": str(end)} if end < len(profiles) else answer


def _model_arn(model_id: str) -> str:
    return f"arn:aws:bedrock:{_REGION}::foundation-model/{model_id}"

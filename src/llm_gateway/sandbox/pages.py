"""The sandbox's own pages, for people and for tests in other languages: what it is, its log, its script, its reset."""

from typing import Protocol

from llm_gateway.sandbox.asked import KEY_SWITCHES, OPERATIONS, read_body
from llm_gateway.sandbox.control_plane import control_answer
from llm_gateway.sandbox.faults import FAULTS
from llm_gateway.sandbox.log import RequestRecord
from llm_gateway.sandbox.plays import Play, refusal_play, whole
from llm_gateway.sandbox.quota import BadQuota, Limits
from llm_gateway.sandbox.refusals import Refused
from llm_gateway.sandbox.script import BadScript, Script
from llm_gateway.sandbox.sts import RoleRecord
from llm_gateway.sandbox.wire_json import Json, dump


class Steered(Protocol):
    """What the pages may look at and turn."""

    @property
    def url(self) -> str: ...

    @property
    def log(self) -> list[RequestRecord]: ...

    @property
    def roles(self) -> list[RoleRecord]: ...

    @property
    def open_now(self) -> int: ...

    def quota_json(self) -> Json: ...

    def set_quota(self, limits: Limits) -> None: ...

    def set_script(self, script: Script | None) -> None: ...

    def reset(self) -> None: ...


def is_control_plane(raw_path: str) -> bool:
    """These paths want a credential, as the real ones do; the sandbox's own pages do not."""
    return raw_path.startswith(("/foundation-models", "/inference-profiles"))


def page(method: str, raw_path: str, raw: bytes, sandbox: Steered) -> Play:
    """Raises Refused for what the control plane refuses."""
    path = raw_path.partition("?")[0]
    match method, path:
        case "GET" | "HEAD", "/":
            return whole(dump(about(sandbox.url)))
        case "GET" | "HEAD", "/health":
            return whole(dump({"status": "ok", "open_now": sandbox.open_now}))
        case "GET", "/_sandbox/log":
            requests = [record.as_json() for record in sandbox.log]
            roles = [role.as_json() for role in sandbox.roles]
            return whole(dump({"open_now": sandbox.open_now, "requests": requests, "roles": roles}))
        case "POST", "/_sandbox/script":
            return _take_script(raw, sandbox)
        case "GET", "/_sandbox/quota":
            return whole(dump(sandbox.quota_json()))
        case "POST", "/_sandbox/quota":
            return _take_quota(raw, sandbox)
        case "POST", "/_sandbox/reset":
            sandbox.reset()
            return whole(dump({"reset": True}))
        case _:
            return _control_plane(method, raw_path)


def about(url: str) -> Json:
    return {
        "service": "llm-gateway sandbox",
        "what": "An Amazon Bedrock endpoint on your own machine. It is no model: its answers are made up.",
        "use": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url, "AWS_ENDPOINT_URL_BEDROCK": url, "AWS_ENDPOINT_URL_STS": url},
        "operations": [*OPERATIONS.values(), "ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles",
                       "GetInferenceProfile", "AssumeRole"],
        "control": ["GET /health", "GET /_sandbox/log", "POST /_sandbox/script", "GET /_sandbox/quota",
                    "POST /_sandbox/quota", "POST /_sandbox/reset"],
        "markers": {
            "Say: TEXT": "answers TEXT",
            "[[tokens:N]]": "an answer of N tokens",
            "[[tool]] [[tools]] [[tool:NAME]] [[tool:NAME {json}]]": "calls the first tool, all tools, this tool",
            "[[redacted]]": "reasoning comes redacted",
            "[[blocked]]": "a guardrail blocks, if guardrailConfig is given",
            "[[fault:NAME]] [[fault:NAME:ARGUMENT]]": "fails so; as do model ids with fault-NAME in them",
        },
        "access_key_ids": {f"{prefix}…": f"{refused.refusal.status} {refused.refusal.kind}"
                           for prefix, refused in KEY_SWITCHES.items()},
        "faults": {name: fault.says for name, fault in FAULTS.items()},
    }  # fmt: skip


def _take_script(raw: bytes, sandbox: Steered) -> Play:
    try:
        script = Script.read(raw)
    except BadScript as fault:
        return whole(dump({"message": str(fault)}), status=400)
    sandbox.set_script(script)
    return whole(dump({"steps": len(script.steps)}))


def _take_quota(raw: bytes, sandbox: Steered) -> Play:
    try:
        sandbox.set_quota(Limits.of(read_body(raw)))
    except BadQuota as fault:
        return whole(dump({"message": str(fault)}), status=400)
    except Refused as refused:
        return whole(dump({"message": refused.refusal.message}), status=400)
    return whole(dump(sandbox.quota_json()))


def _control_plane(method: str, raw_path: str) -> Play:
    try:
        answer = control_answer(raw_path) if method == "GET" else None
    except Refused as refused:
        return refusal_play(refused.refusal)
    if answer is None:
        return whole(
            dump({"message": f"The sandbox serves no {method} {raw_path}; GET / tells what it serves."}), status=404
        )
    return whole(dump(answer))

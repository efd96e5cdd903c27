"""What Bedrock demands of a conversation, whatever the model: order of roles, blank texts, tool calls answered. Pure.

Every function raises Refused, in Bedrock's words, for the first thing that is wrong.
"""

from llm_gateway.sandbox.models import ModelFacts
from llm_gateway.sandbox.refusals import invalid
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, objects


def check_conversation(body: Json, facts: ModelFacts) -> None:
    """The body has its right shape already; what a single model refuses is checked elsewhere."""
    messages = objects(body.get("messages"))
    if not messages or (messages[0]["role"] != "user" and not facts.assistant_may_start):
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    for at, message in enumerate(messages):
        _check_content(at, message)
        if at and message["role"] == messages[at - 1]["role"] and not facts.merges_roles:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
    for at, block in enumerate(objects(body.get("system"))):
        if "text" in block and not as_text(block["text"]).strip():
            raise _blank("SystemContentBlock", f"system.{at}")
    _check_tools(body, messages)


def tool_uses(message: Json) -> list[Json]:
    """The calls that the caller has to answer; server tools answer themselves."""
    blocks = [as_object(block["toolUse"]) for block in objects(message.get("content")) if "toolUse" in block]
    return [call for call in blocks if call.get("type") != "server_tool_use"]


def tool_results(message: Json) -> list[Json]:
    """The results that the caller gives; those of server tools stand in the assistant's own turn."""
    if message.get("role") == "assistant":
        return []
    return [as_object(block["toolResult"]) for block in objects(message.get("content")) if "toolResult" in block]


def _check_content(at: int, message: Json) -> None:
    if not message["content"]:
        raise invalid(
            f"The content field in the Message object at messages.{at} is empty. Add a ContentBlock object to the "
            "content field and try again."
        )
    for place, block in enumerate(objects(message["content"])):
        where = f"messages.{at}.content.{place}"
        if "text" in block and _is_blank(as_text(block["text"]), message):
            raise _blank("ContentBlock", where)
        if "toolUse" in block and not isinstance(as_object(block["toolUse"]).get("input"), dict):
            raise invalid(
                f"The format of the value at {where}.toolUse.input is invalid. Provide a json object for the field and "
                "try again."
            )
        result = as_object(block.get("toolResult"))
        if result.get("status") == "error" and not result.get("content"):
            raise invalid(f"The content field at {where}.toolResult cannot be empty when status value is error.")


def _is_blank(text: str, message: Json) -> bool:
    """White space counts as nothing, but passes beside a document."""
    return not text or (not text.strip() and not any("document" in block for block in objects(message["content"])))


def _blank(kind: str, where: str) -> Exception:
    return invalid(
        f"The text field in the {kind} object at {where} is blank. Add text to the text field, and try again."
    )


def _check_tools(body: Json, messages: list[Json]) -> None:
    if "toolConfig" not in body and any(tool_uses(message) or tool_results(message) for message in messages):
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    open_calls: list[str] = []
    for at, message in enumerate(messages):
        answered = [as_text(result.get("toolUseId")) for result in tool_results(message)]
        _check_answers(at, answered, open_calls)
        open_calls = [as_text(call.get("toolUseId")) for call in tool_uses(message)]
        _refuse_doubles(at, "toolUse", open_calls)


def _check_answers(at: int, answered: list[str], open_calls: list[str]) -> None:
    _refuse_doubles(at, "toolResult", answered)
    missing = [call for call in open_calls if call not in answered]
    if missing:
        raise invalid(
            f"Expected toolResult blocks at messages.{at}.content for the following Ids: {', '.join(missing)}"
        )
    if len(answered) > len(open_calls):
        raise invalid(
            f"The number of toolResult blocks at messages.{at}.content exceeds the number of toolUse blocks of "
            "previous turn."
        )


def _refuse_doubles(at: int, kind: str, ids: list[str]) -> None:
    doubles = sorted({each for each in ids if ids.count(each) > 1})
    if doubles:
        raise invalid(f"The {kind} blocks at messages.{at}.content contain duplicate Ids: {', '.join(doubles)}")

"""The conversation as one model takes it: turns alternate, system text where it may stand, calls answered. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from llm_gateway.domain.cards import ModelCard
from llm_gateway.domain.content import Block, Message, Text, ToolResult, ToolUse
from llm_gateway.domain.errors import InvalidRequest

_ASSISTANT_MAY_START = ("anthropic.", "qwen.", "zai.", "moonshot.", "moonshotai.")
"""Families seen to accept a conversation that the assistant begins."""

_NO_RESULT_STATUS = "writer."


def fit_turns(
    given: tuple[Message, ...],
    system: tuple[Block, ...],
    card: ModelCard | None,
    warnings: list[str],
    *,
    has_calls: bool,
) -> tuple[tuple[Message, ...], tuple[Block, ...]]:
    """Messages and system blocks; what was changed is added to the warnings. ``has_calls``: of tools, or their results.

    Raises:
        InvalidRequest: who begins, or which call a result answers, cannot be mended with certainty.
    """
    messages, starts = _merged(given, warnings)
    system = _joined(system) if len(system) > 1 else system
    if card is not None:
        messages, system = _fit_to_card(messages, system, card, warnings)
    if has_calls:
        _check_calls(messages, starts, given)
    return messages, system


def _fit_to_card(
    messages: tuple[Message, ...], system: tuple[Block, ...], card: ModelCard, warnings: list[str]
) -> tuple[tuple[Message, ...], tuple[Block, ...]]:
    if messages[0].role == "assistant" and not card.id.startswith(_ASSISTANT_MAY_START):
        raise InvalidRequest(
            f"messages[0] is the assistant's, but a conversation with {card.name} begins with the user: "
            "put a user message before it",
            field="messages[0].role",
        )
    if messages[-1].role == "assistant" and card.id.startswith("anthropic."):
        messages = (*messages[:-1], _without_trailing_space(messages[-1], warnings))
    if card.id.startswith(_NO_RESULT_STATUS):
        messages = _without_status(messages, card, warnings)
    if system and not card.can("system"):
        warnings.append(f"the system text was put before the first user message: {card.name} takes no system text")
        return _folded(messages, system), ()
    return messages, system


def _merged(messages: tuple[Message, ...], warnings: list[str]) -> tuple[tuple[Message, ...], list[int]]:
    """Neighbours of one role as one turn, and the caller's index of each turn's first message."""
    starts = [at for at, message in enumerate(messages) if at == 0 or message.role != messages[at - 1].role]
    if len(starts) == len(messages):
        return messages, starts
    ends = [*starts[1:], len(messages)]
    turns: list[Message] = []
    for start, end in zip(starts, ends, strict=True):
        parts = messages[start:end]
        blocks = tuple([block for part in parts for block in part.content])
        turns.append(parts[0] if len(parts) == 1 else Message(parts[0].role, blocks))
        if len(parts) > 1:
            warnings.append(f"messages {start} to {end - 1} are all the {parts[0].role}'s and were sent as one")
    return tuple(turns), starts


def _joined(system: tuple[Block, ...]) -> tuple[Block, ...]:
    """Neighbouring texts as one, with a blank line between; cache points and guarded content stay where they are."""
    blocks: list[Block] = []
    for block in system:
        last = blocks[-1] if blocks else None
        if isinstance(block, Text) and isinstance(last, Text):
            blocks[-1] = Text(f"{last.text}\n\n{block.text}")
        else:
            blocks.append(block)
    return tuple(blocks)


def _folded(messages: tuple[Message, ...], system: tuple[Block, ...]) -> tuple[Message, ...]:
    text = "\n\n".join([block.text for block in system if isinstance(block, Text)])
    at = next((at for at, message in enumerate(messages) if message.role == "user"), None)
    if not text:
        return messages
    if at is None:
        return (Message("user", (Text(text),)), *messages)
    content = messages[at].content
    first = content[0]
    if isinstance(first, Text):
        folded: tuple[Block, ...] = (Text(f"{text}\n\n{first.text}"), *content[1:])
    else:
        folded = (Text(text), *content)
    return (*messages[:at], Message("user", folded), *messages[at + 1 :])


def _without_trailing_space(last: Message, warnings: list[str]) -> Message:
    """Claude goes on from the beginning of an answer, but refuses one that ends in white space."""
    text = last.content[-1]
    if not isinstance(text, Text) or not text.text[-1:].isspace() or text.text.isspace():
        return last
    warnings.append("white space at the end of the answer that was begun was left out: Claude takes none")
    return replace(last, content=(*last.content[:-1], Text(text.text.rstrip())))


def _without_status(messages: tuple[Message, ...], card: ModelCard, warnings: list[str]) -> tuple[Message, ...]:
    told = [block.status for message in messages for block in message.content if isinstance(block, ToolResult)]
    if not any(told):
        return messages
    if "error" in told:
        warnings.append(f"the status of tool results was left out: {card.name} takes none")
    return tuple([replace(message, content=_plain_results(message.content)) for message in messages])


def _plain_results(content: Sequence[Block]) -> tuple[Block, ...]:
    return tuple([replace(block, status=None) if isinstance(block, ToolResult) else block for block in content])


def _check_calls(messages: Sequence[Message], starts: Sequence[int], given: Sequence[Message]) -> None:
    """Every call is answered in the next turn, every result answers a call of the turn before."""
    open_calls: dict[str, str] = {}
    asked_at = 0
    for turn, start in zip(messages, starts, strict=False):
        if turn.role == "user":
            _answer_calls(turn, open_calls, given[start:], start)
        if open_calls:
            break
        asked_at = start
        open_calls = _calls(turn)
    if open_calls:
        waiting = ", ".join(f"{call_id} ({name})" for call_id, name in open_calls.items())
        raise InvalidRequest(
            f"messages[{asked_at}] calls tools that the next message does not answer: {waiting}; "
            "add a tool result for each",
            field=f"messages[{asked_at}].content",
        )


def _calls(turn: Message) -> dict[str, str]:
    """Ids and names of the calls the caller has to answer; a tool of the server (with a type) answers itself."""
    return {block.id: block.name for block in turn.content if isinstance(block, ToolUse) and block.type is None}


def _answer_calls(turn: Message, open_calls: dict[str, str], given: Sequence[Message], start: int) -> None:
    """``given``: the caller's messages from the turn's first on, which has the number ``start``."""
    for block in turn.content:
        if not isinstance(block, ToolResult) or block.type is not None:
            continue
        if open_calls.pop(block.tool_use_id, None) is None:
            at = next((at for at, message in enumerate(given) if any([each is block for each in message.content])), 0)
            field = f"messages[{start + at}]"
            raise InvalidRequest(
                f"{field} answers the tool call {block.tool_use_id!r}, which the turn before does not hold, "
                "or answers it twice",
                field=f"{field}.content",
            )

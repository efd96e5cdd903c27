"""From a request to a play: scripts and faults first, then recordings, then the checks, then an answer of its own."""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_gateway.sandbox import plays
from llm_gateway.sandbox.answers import Composer
from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.checks import check
from llm_gateway.sandbox.embeddings import embed
from llm_gateway.sandbox.fault_plays import Told
from llm_gateway.sandbox.faults import Chosen, fault_in
from llm_gateway.sandbox.models import ModelId, facts_of, named, read_model_id
from llm_gateway.sandbox.plays import Play
from llm_gateway.sandbox.prompt_cache import has_cache_point
from llm_gateway.sandbox.refusals import Refused, invalid
from llm_gateway.sandbox.replay import Library
from llm_gateway.sandbox.script import Scripted, ScriptPlayer
from llm_gateway.sandbox.tokens import request_tokens, text_tokens
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, dump
from llm_gateway.sandbox.words import last_user_text

_NOBODY = "sandbox.any"
Admit = Callable[[ModelId], Callable[[Json], None]]
"""Lets a request in and gives who hears its answer. Raises Refused."""


def _nothing(answer: Json) -> None:
    """Nobody counts."""


@dataclass(slots=True)
class Runtime:
    """What answers. Its only memory: the prompt cache, how far a script is, and which recordings were played."""

    composer: Composer
    player: ScriptPlayer = field(default_factory=ScriptPlayer)
    recordings: Library | None = None
    latency_s: float = 0.0
    delta_delay_s: float = 0.0
    clock: Callable[[], float] = time.monotonic

    async def play(
        self,
        asked: Asked,
        chosen: Chosen | None,
        scripted: Scripted | None,
        admit: Admit = lambda _: _nothing,
    ) -> Play:
        """`admit` lets a checked request in, or not, and hears its answer. Raises Refused."""
        if chosen is not None and chosen.fault.blind:
            return chosen.fault.play(_any_model(asked.model_id), Told({}, _streams(asked)), chosen.argument)
        started = self.clock()
        if self.recordings is not None and chosen is None and scripted is None:
            play = self.recordings.play(asked)
            await self._wait()
            return play
        model = read_model_id(asked.model_id)
        answer = self._answer(asked, model, scripted, admit)
        await self._wait()
        if asked.operation in ("Converse", "ConverseStream"):
            answer = {"metrics": {"latencyMs": round((self.clock() - started) * 1000)}, **answer}
        told = Told(answer, _streams(asked), self.delta_delay_s)
        play = chosen.fault.play(model, told, chosen.argument) if chosen else told.healthy()
        return _with_counts(play, answer, asked)

    def cached_tokens(self, asked: Asked, model: ModelId) -> int:
        """What the request will read from the prompt cache."""
        if asked.operation == "InvokeModel" or not has_cache_point(asked.body):
            return 0
        return self.composer.prompt_cache.known_tokens(model, asked.body)

    def cue(self, asked: Asked) -> tuple[Chosen | None, Scripted | None]:
        """What a script, a marker or the model id wants of this request. Raises Refused for an unknown fault."""
        last_text = last_user_text(asked.body)
        spoke, cue = self.player.next_cue(asked, last_text)
        if not spoke:
            return fault_in(asked.model_id, last_text), None
        return (cue, None) if not isinstance(cue, Scripted) else (None, cue)

    def _answer(self, asked: Asked, model: ModelId, scripted: Scripted | None, admit: Admit) -> Json:
        match asked.operation:
            case "Converse" | "ConverseStream":
                check(asked, model)
                spend = admit(model)
                answer = self.composer.compose(asked, model, scripted=scripted)
            case "CountTokens":
                check(asked, model)
                return {"inputTokens": _counted(as_object(asked.body["input"]))}
            case "InvokeModel":
                spend = admit(model)
                answer = embed(asked, model).answer
            case _:
                raise invalid("The sandbox does not stream InvokeModel; use ConverseStream.")
        spend(answer)
        return answer

    async def _wait(self) -> None:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)


def _streams(asked: Asked) -> bool:
    return asked.operation == "ConverseStream"


def _any_model(model_id: str) -> ModelId:
    """A fault that comes before the checks does not care whether there is such a model."""
    try:
        return read_model_id(model_id)
    except Refused:
        return named(model_id, model_id, through_profile=False, facts=facts_of(_NOBODY))


def _counted(given: Json) -> int:
    if "converse" in given:
        return request_tokens(as_object(given["converse"]))
    written = as_text(as_object(given["invokeModel"]).get("body"))
    try:
        return text_tokens(base64.b64decode(written, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError) as fault:
        raise invalid("The value at input.invokeModel.body is no base64 of a text.") from fault


def _with_counts(play: Play, answer: Json, asked: Asked) -> Play:
    """InvokeModel tells its input tokens in a header."""
    if asked.operation != "InvokeModel" or "inputTextTokenCount" not in answer:
        return play
    counted = {"x-amzn-bedrock-input-token-count": str(answer["inputTextTokenCount"])}
    return plays.whole(dump(answer), headers=counted)

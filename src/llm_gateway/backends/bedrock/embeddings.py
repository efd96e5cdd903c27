"""Embeddings by InvokeModel: a request's texts in as few calls as the model takes, some of them at a time.

Nothing is repeated but for expired credentials and a connection that had gone stale. Each call is told once to whoever
keeps the books, whatever its end. Loaded on first use, for aiohttp takes its time to load.
"""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
import orjson

from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.credentials import Access, AccessKeeper, NoAccess
from llm_gateway.backends.bedrock.embedding_json import EmbedFamily, Vectors, family_of, vectors_of
from llm_gateway.backends.bedrock.faults import Fault, error_of, http_fault, is_expired_auth, no_connection_error
from llm_gateway.backends.bedrock.json_shape import as_count
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.bedrock.wire import (
    MAX_WHOLE_ANSWER_BYTES,
    READ_FAULTS,
    ConnectTimeout,
    NoConnection,
    TooMuch,
    Wire,
    headers_of,
    read_body,
)
from llm_gateway.backends.contract import OnPaid
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.content import Message, Text
from llm_gateway.domain.embeddings import EmbedCall, Embeddings
from llm_gateway.domain.errors import BackendError, BackendGarbled, BackendRefused, BackendTimeout
from llm_gateway.domain.requests import GenerateRequest, ModelCall

_AT_ONCE = 8  # calls of one request that are under way together
_COUNT_HEADER = "x-amzn-bedrock-input-token-count"


class VectorMaker:
    """Makes vectors over a running backend's pool and access."""

    def __init__(self, wire: Wire, keeper: AccessKeeper, timeouts: Timeouts) -> None:
        self._wire = wire
        self._keeper = keeper
        self._timeouts = timeouts

    async def embed(self, call: EmbedCall, on_paid: OnPaid) -> Embeddings:
        """See :class:`~llm_gateway.backends.contract.Embedder`."""
        family, texts = family_of(call), call.request.texts
        parts = [texts[start : start + family.at_once] for start in range(0, len(texts), family.at_once)]
        lanes = asyncio.Semaphore(_AT_ONCE)

        async def one(part: Sequence[str]) -> tuple[Vectors, Usage]:
            async with lanes:
                return await self._paid_call(call, family, part, on_paid)

        tasks = [asyncio.ensure_future(one(part)) for part in parts]
        try:
            answers = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise
        usages = [usage for _, usage in answers]
        total = Usage(
            input_tokens=sum([usage.input_tokens for usage in usages]),
            output_tokens=0,
            estimated=any([usage.estimated for usage in usages]),
        )
        return Embeddings(tuple([vector for vectors, _ in answers for vector in vectors]), total)

    async def _paid_call(
        self, call: EmbedCall, family: EmbedFamily, texts: Sequence[str], on_paid: OnPaid
    ) -> tuple[Vectors, Usage]:
        asked = _asked(call, texts)
        try:
            vectors, usage = await self._invoke(call, family, texts, asked)
        except BackendError as error:
            if error.spent is not None:
                on_paid(error.spent, error.code)
            raise
        except asyncio.CancelledError:
            on_paid(asked.input_spent(), "client_disconnect")
            raise
        on_paid(usage, "ok")
        return vectors, usage

    async def _invoke(
        self, call: EmbedCall, family: EmbedFamily, texts: Sequence[str], asked: Asked
    ) -> tuple[Vectors, Usage]:
        body = orjson.dumps(family.render(texts, call.request))
        try:
            async with asyncio.timeout(self._timeouts.first_event_s):
                headers, told = await self._exchange(call.model.invoked_id, body, asked)
        except TimeoutError as fault:
            raise BackendTimeout(
                f"{asked.model} gave no answer within {self._timeouts.first_event_s:g} s "
                "(BEDROCK_FIRST_EVENT_TIMEOUT); it may have been paid for",
                model=asked.model,
                spent=asked.input_spent(),
            ) from fault
        answer = _json_of(told)
        vectors = vectors_of(family, answer, len(texts))
        if vectors is None:
            raise _garbled(asked, headers)
        return vectors, _usage(headers, answer, asked)

    async def _exchange(self, model_id: str, body: bytes, asked: Asked) -> tuple[Mapping[str, str], bytes]:
        access, mended = await self._access(asked), False
        while True:
            try:
                response = await self._wire.post(access, model_id, "invoke", body)
            except NoConnection as fault:
                if fault.was_stale and not mended:
                    mended = True
                    continue
                raise no_connection_error(asked, was_sent=fault.was_sent) from fault
            except ConnectTimeout as fault:
                raise BackendTimeout("no connection to Bedrock in time", model=asked.model) from fault
            outcome = await _read(response, asked)
            if not isinstance(outcome, Fault):
                return headers_of(response), outcome
            if not is_expired_auth(outcome) or mended:
                raise error_of(outcome, asked)
            access, mended = await self._renewed(access, outcome, asked), True

    async def _access(self, asked: Asked) -> Access:
        try:
            return await self._keeper.access()
        except NoAccess as fault:
            raise BackendRefused(str(fault), model=asked.model, code="upstream_auth_error") from fault

    async def _renewed(self, access: Access, fault: Fault, asked: Asked) -> Access:
        try:
            return await self._keeper.renewed(access)
        except NoAccess as refusal:
            raise error_of(fault, asked) from refusal


def _asked(call: EmbedCall, texts: Sequence[str]) -> Asked:
    """The call in the words of a generation, for the errors and estimates that are made of those."""
    message = Message("user", tuple([Text(text) for text in texts]))
    return Asked(ModelCall(GenerateRequest(model=call.request.model, messages=(message,)), call.model))


async def _read(response: aiohttp.ClientResponse, asked: Asked) -> bytes | Fault:
    try:
        body = await read_body(response, MAX_WHOLE_ANSWER_BYTES)
    except (TooMuch, *READ_FAULTS) as fault:
        response.close()
        if response.status == 200:
            raise _garbled(asked, headers_of(response)) from fault
        body = b""  # the status and the type say enough
    except BaseException:
        response.close()
        raise
    return body if response.status == 200 else http_fault(response.status, headers_of(response), body)


def _json_of(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _usage(headers: Mapping[str, str], answer: object, asked: Asked) -> Usage:
    """Input tokens by the header, by Titan's own count, or estimated."""
    counted = headers.get(_COUNT_HEADER, "")
    if counted.isdecimal():
        return Usage(input_tokens=int(counted), output_tokens=0)
    own = as_count(answer.get("inputTextTokenCount")) if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - any JSON object
    return asked.input_spent() if own is None else Usage(input_tokens=own, output_tokens=0)


def _garbled(asked: Asked, headers: Mapping[str, str]) -> BackendGarbled:
    return BackendGarbled(
        "the answer holds no whole set of vectors; ask again",
        model=asked.model,
        spent=asked.input_spent(),
        upstream_request_id=headers.get("x-amzn-requestid"),
    )

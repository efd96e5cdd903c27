"""One call to Bedrock and what may be mended on the way: fresh credentials, a profile, an answer in one piece.

Nothing else is repeated here, least of all a call that fell silent: it may have been paid for. Loaded on first use,
for aiohttp takes its time to load.
"""

import asyncio
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Self

import aiohttp

from llm_gateway.backends.bedrock import format_check
from llm_gateway.backends.bedrock.answer_stream import StreamedAnswer, WholeAnswer
from llm_gateway.backends.bedrock.asked import Asked
from llm_gateway.backends.bedrock.counting import TokenCounter
from llm_gateway.backends.bedrock.credentials import Access, AccessKeeper, NoAccess
from llm_gateway.backends.bedrock.faults import (
    Fault,
    error_of,
    http_fault,
    is_expired_auth,
    no_connection_error,
    wants_profile,
    wants_whole,
    wants_whole_with_tools,
)
from llm_gateway.backends.bedrock.parse import Told, parse_whole
from llm_gateway.backends.bedrock.profiles import profile_for
from llm_gateway.backends.bedrock.render import Rendered, render
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.backends.bedrock.wire import (
    MAX_ERROR_BYTES,
    MAX_WHOLE_ANSWER_BYTES,
    READ_FAULTS,
    ConnectTimeout,
    NoConnection,
    TooMuch,
    Wire,
    headers_of,
    read_body,
)
from llm_gateway.domain.errors import (
    BackendError,
    BackendGarbled,
    BackendRefused,
    BackendTimeout,
    GatewayError,
)
from llm_gateway.domain.remedies import BROKEN, REFUSED
from llm_gateway.domain.requests import ModelCall
from llm_gateway.patience import Patience

Answer = StreamedAnswer | WholeAnswer

_STREAM, _WHOLE = "converse-stream", "converse"
_SKEW_WORTH_MENDING_S = 60.0
_STALE_WITHIN_S = 1.0  # a reused connection that breaks later than this had begun to work, and may be paid for


class _Attempt:
    """How the call goes out this time, and what has been mended already."""

    __slots__ = ("asked", "mended", "operation", "rendered", "sends", "started_at_s")

    def __init__(self, asked: Asked, rendered: Rendered, operation: str, started_at_s: float) -> None:
        self.asked = asked
        self.rendered = rendered
        self.operation = operation
        self.started_at_s = started_at_s
        self.sends = 0
        self.mended: set[str] = set()

    @property
    def body(self) -> bytes:
        """What goes out, as this operation takes it."""
        return self.rendered.body if self.operation == _STREAM else self.rendered.whole_body

    def once(self, mend: str) -> bool:
        """True the first time this mend is asked for."""
        if mend in self.mended:
            return False
        self.mended.add(mend)
        return True


class Exchange:
    """Everything a running backend has: the pool, the access, and what it has learned about models."""

    def __init__(self, wire: Wire, keeper: AccessKeeper, *, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self._wire = wire
        self.keeper = keeper
        self._timeouts = timeouts
        self._clock = clock
        self._whole_only: set[str] = set()
        self._whole_with_tools: set[str] = set()
        self._through: dict[str, str] = {}
        self.counter = TokenCounter(wire, keeper)

    def elsewhere(self) -> Self:
        """Another one over the same pool, which has learned nothing yet: a model may do there what it cannot here."""
        return type(self)(self._wire, self.keeper, timeouts=self._timeouts, clock=self._clock)

    def under(self, keeper: AccessKeeper) -> Self:
        """This one under another access; what either learns, both know."""
        twin = copy(self)
        twin.keeper, twin.counter = keeper, TokenCounter(self._wire, keeper)
        return twin

    async def open(self, call: ModelCall) -> Answer:
        """Sends the call; returns with its first event, or the whole answer.

        Raises:
            GatewayError: as the contract of backends says.
        """
        rendered = render(call)
        if rendered.reading.format is not None:
            await asyncio.to_thread(format_check.load)  # on the loop it would hold up everybody the first time
        model_id = call.model.invoked_id
        asked = Asked(call, rendered.warnings, model_id, rendered.reading)
        if model_id in self._through:
            asked = _through_profile(asked, self._through[model_id])
        attempt = _Attempt(asked, rendered, self._operation(call, rendered.with_tools), self._clock())
        limit_s = self._timeouts.first_event_s if attempt.operation == _STREAM else self._timeouts.total_s
        limit_s = limit_s if call.time_left_s is None else min(limit_s, call.time_left_s)
        try:
            with Patience(limit_s) as patience:
                return await self._open(attempt, patience)
        except TimeoutError as fault:
            raise _counted(self._silent(attempt), attempt) from fault
        except GatewayError as error:
            _counted(error, attempt)
            raise

    def _operation(self, call: ModelCall, with_tools: bool) -> str:
        card, model_id = call.model.card, call.model.invoked_id
        if model_id in self._whole_only or (with_tools and model_id in self._whole_with_tools):
            return _WHOLE
        if card is None:
            return _STREAM
        return _STREAM if card.can("streaming") and (not with_tools or card.can("streaming_tools")) else _WHOLE

    async def _open(self, attempt: _Attempt, patience: Patience) -> Answer:
        access = await self._access(attempt)
        while True:
            sent_at_s = self._clock()
            try:
                outcome = await self._send(attempt, access)
            except NoConnection as fault:
                at_once = self._clock() - sent_at_s < _STALE_WITHIN_S
                if fault.was_stale and at_once and attempt.once("stale connection"):
                    continue
                raise no_connection_error(attempt.asked, was_sent=fault.was_sent) from fault
            except ConnectTimeout as fault:
                raise self._unreached(attempt) from fault
            if not isinstance(outcome, Fault):
                return outcome
            if is_expired_auth(outcome) and attempt.once("auth"):
                access = await self._renewed(attempt, access, outcome)
            elif not self._mend(attempt, access, outcome, patience):
                raise error_of(outcome, attempt.asked)

    async def _access(self, attempt: _Attempt) -> Access:
        try:
            return await self.keeper.access()
        except NoAccess as fault:
            raise BackendRefused(str(fault), model=attempt.asked.model, code="upstream_auth_error") from fault

    async def _renewed(self, attempt: _Attempt, access: Access, fault: Fault) -> Access:
        if "ignature" in fault.message and self._clock_was_wrong(fault):
            return access
        try:
            return await self.keeper.renewed(access)
        except NoAccess as refusal:
            raise error_of(fault, attempt.asked) from refusal

    def _clock_was_wrong(self, fault: Fault) -> bool:
        try:
            server_now_s = parsedate_to_datetime(fault.date or "").timestamp()
        except ValueError:
            return False
        if abs(server_now_s - self.keeper.signing_time_s()) < _SKEW_WORTH_MENDING_S:
            return False
        self.keeper.correct_clock(server_now_s)
        return True

    def _mend(self, attempt: _Attempt, access: Access, fault: Fault, patience: Patience) -> bool:
        """Whether the call can go out once more, in another form."""
        model_id = attempt.asked.call.model.invoked_id
        if wants_profile(fault) and attempt.once("profile"):
            profile_id = profile_for(model_id, attempt.asked.call.model.card, access.region)
            if profile_id is None:
                return False
            self._through[model_id] = profile_id
            attempt.asked = _through_profile(attempt.asked, profile_id)
            return True
        if attempt.operation == _STREAM and (wants_whole(fault) or wants_whole_with_tools(fault)):
            (self._whole_only if wants_whole(fault) else self._whole_with_tools).add(model_id)
            attempt.operation = _WHOLE
            left_s = attempt.asked.call.time_left_s
            patience.renew(self._timeouts.total_s if left_s is None else min(self._timeouts.total_s, left_s))
            return True
        return False

    async def _send(self, attempt: _Attempt, access: Access) -> Answer | Fault:
        attempt.sends += 1
        response = await self._wire.post(access, attempt.asked.invoked_id, attempt.operation, attempt.body)
        try:
            return await self._read(response, attempt)
        except BaseException:
            response.close()
            raise

    async def _read(self, response: aiohttp.ClientResponse, attempt: _Attempt) -> Answer | Fault:
        headers, asked = headers_of(response), attempt.asked
        if response.status != 200:
            return await _read_fault(response)
        told = Told(headers.get("x-amzn-requestid"))
        content_type = headers.get("content-type", "")
        if "vnd.amazon.eventstream" in content_type:
            answer = StreamedAnswer(
                response,
                asked,
                request_id=told.request_id,
                timeouts=self._timeouts,
                started_at_s=attempt.started_at_s,
                clock=self._clock,
            )
            await answer.begin()
            return answer
        try:
            body = await read_body(response, MAX_WHOLE_ANSWER_BYTES)
        except (TooMuch, *READ_FAULTS) as fault:
            raise _garbled("the connection broke in the middle of the answer", asked, told) from fault
        if body and "json" not in content_type:
            raise _garbled(f"Bedrock answered 200 with the content type {content_type[:60]!r}", asked, told)
        return WholeAnswer(
            parse_whole(body, asked, Told(told.request_id, (self._clock() - attempt.started_at_s) * 1_000))
        )

    # --- what can go wrong --------------------------------------------------------------------------------------------

    def _silent(self, attempt: _Attempt) -> BackendError:
        if not attempt.sends:
            return BackendTimeout(
                "AWS credentials could not be had in time; nothing was sent. Run `llm-gateway doctor`",
                model=attempt.asked.model,
                remedy=REFUSED,
            )
        setting, waited_s = ("BEDROCK_FIRST_EVENT_TIMEOUT", self._timeouts.first_event_s)
        if attempt.operation == _WHOLE:
            setting, waited_s = ("BEDROCK_TOTAL_TIMEOUT", self._timeouts.total_s)
        left_s = attempt.asked.call.time_left_s
        if left_s is not None and left_s < waited_s:
            setting, waited_s = ("the rest of the time that the request has", left_s)
        return BackendTimeout(
            f"{attempt.asked.model} gave no answer within {waited_s:g} s ({setting}); it may have been paid for",
            model=attempt.asked.model,
            spent=attempt.asked.input_spent(),
        )

    def _unreached(self, attempt: _Attempt) -> BackendError:
        return BackendTimeout(
            f"no connection to Bedrock within {self._timeouts.connect_s:g} s (BEDROCK_CONNECT_TIMEOUT); check the "
            "region, the network and the proxy settings",
            model=attempt.asked.model,
            remedy=BROKEN,
        )


def _counted(error: GatewayError, attempt: _Attempt) -> GatewayError:
    error.sends = max(1, attempt.sends)
    return error


def _through_profile(asked: Asked, profile_id: str) -> Asked:
    warning = f"{asked.model} was invoked through the inference profile {profile_id}: its price and regions apply"
    return replace(asked, invoked_id=profile_id, warnings=(*asked.warnings, warning))


def _garbled(message: str, asked: Asked, told: Told) -> BackendGarbled:
    return BackendGarbled(
        f"{message}; ask again", model=asked.model, spent=asked.input_spent(), upstream_request_id=told.request_id
    )


async def _read_fault(response: aiohttp.ClientResponse) -> Fault:
    try:
        body = await read_body(response, MAX_ERROR_BYTES)
    except (TooMuch, *READ_FAULTS):
        body = b""  # the status and the type say enough
    fault = http_fault(response.status, headers_of(response), body)
    response.close()
    return fault

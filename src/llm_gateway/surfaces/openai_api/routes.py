"""The door's ASGI app: ``/v1/...`` to its endpoint, every failure to OpenAI's shape. The one place here that catches
everything."""

from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from llm_gateway.domain.errors import GatewayError, InvalidRequest
from llm_gateway.gateway import Gateway
from llm_gateway.reports import Reports
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.http_body import CallerLeft, while_there
from llm_gateway.surfaces.http_headers import headers_of
from llm_gateway.surfaces.identity import caller_of
from llm_gateway.surfaces.json_body import read_json
from llm_gateway.surfaces.openai_api.chat import complete_chat
from llm_gateway.surfaces.openai_api.embeddings import make_embeddings
from llm_gateway.surfaces.openai_api.model_list import model_list, one_model
from llm_gateway.surfaces.openai_api.replies import Caller, send_error, send_json
from llm_gateway.surfaces.wire_errors import INTERNAL, internal_error_body

_Ask = Callable[[Mapping[str, object], Caller, Gateway, DoorLimits], Awaitable[None]]
_ASKED: Mapping[str, _Ask] = {"/v1/chat/completions": complete_chat, "/v1/embeddings": make_embeddings}
_MODELS = "/v1/models"


class OpenAiDoor:
    """Serves ``/v1``; lifespan and other paths are the site's."""

    def __init__(self, *, gateway: Gateway, reports: Reports, limits: DoorLimits) -> None:
        self._gateway = gateway
        self._reports = reports
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = headers_of(scope)
        caller = Caller(headers, send)
        try:
            caller.who = caller_of(scope, headers)
            await self._answer(scope, receive, caller)
        except GatewayError as error:
            await send_error(caller, error)
        except CallerLeft:
            return
        except Exception:  # noqa: BLE001 - the top of this surface: logged with its trace, answered without its text
            structlog.get_logger().exception("internal_error", request_id=caller.request_id, path=scope["path"])
            told = str(internal_error_body(caller.request_id)["message"])
            await send_error(caller, GatewayError(told, code=INTERNAL))

    async def _answer(self, scope: Scope, receive: Receive, caller: Caller) -> None:
        path: str = scope["path"]
        ask = _ASKED.get(path)
        if ask is not None:
            _only(scope, "POST")
            body = await self._body(receive, caller)
            await while_there(receive, lambda: ask(body, caller, self._gateway, self._limits))
        elif path == _MODELS:
            _only(scope, "GET")
            await send_json(caller, 200, orjson.dumps(model_list(self._reports)))
        elif path.startswith(_MODELS + "/"):
            _only(scope, "GET")
            word = path.removeprefix(_MODELS + "/")
            await send_json(caller, 200, orjson.dumps(one_model(self._reports, word)))
        else:
            shown = f"{scope['method']} {path}"[:200]
            raise InvalidRequest(f"there is nothing at {shown}; see /v1/chat/completions", code="unknown_url")

    async def _body(self, receive: Receive, caller: Caller) -> dict[str, object]:
        try:
            self._gateway.crowd.refuse_if_full()
            return await read_json(receive, caller.headers, self._limits)
        except GatewayError as error:
            self._gateway.turn_away(error, request_id=caller.request_id)
            raise


def _only(scope: Scope, method: str) -> None:
    if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
        raise InvalidRequest(f"{scope['path'][:80]} takes {method} only", code="method_not_allowed")

"""``/admin``: keys, budgets, limits, usage and routes over HTTP, for whoever bears the master key (``ADMIN_API_KEY``).

Without a master key there is nothing here. Answers are never to be stored, and hold no key but the one just made.
"""

import hmac
from collections.abc import Mapping
from typing import cast

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from llm_gateway.administration import Administration
from llm_gateway.domain.errors import GatewayError, InvalidRequest, Unauthenticated
from llm_gateway.domain.keys import KeyWish
from llm_gateway.domain.usage import UsageQuestion
from llm_gateway.surfaces.admin_routes import Answer, Body, RouteKeeper, route_answers
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.http_body import CallerLeft
from llm_gateway.surfaces.http_headers import error_headers
from llm_gateway.surfaces.identity import token_of
from llm_gateway.surfaces.json_body import decode_body, read_body
from llm_gateway.surfaces.json_values import a_list, a_string, an_object, filled_text, only
from llm_gateway.surfaces.money_words import (
    Json,
    a_key_name,
    budget_wish,
    decode_limits,
    encode_budget,
    encode_key,
    encode_limits,
    nano_usd,
    when,
)
from llm_gateway.surfaces.request_ids import new_request_id
from llm_gateway.surfaces.usage_words import a_day, by_words, encode_usage
from llm_gateway.surfaces.wire_errors import INTERNAL, INTERNAL_TEXT, error_body, status_of_error

_KEY_MEMBERS = (
    *("name", "team", "models", "places", "tags", "limits", "budget_usd", "window", "alerts"),
    *("run_budget_usd", "expires_at"),
)
_MOST_ENTRIES = 1000
_SHOWN = 12
_GUARDED = [(b"cache-control", b"no-store"), (b"vary", b"Authorization, X-Admin-API-Key")]


class AdminDoor:
    """The application. ``master_key`` is compared in constant time."""

    def __init__(
        self,
        desk: Administration | None,
        master_key: str | None,
        limits: DoorLimits,
        routes: RouteKeeper | None = None,
    ) -> None:
        self._answers: Mapping[str, Mapping[str, Answer]] = {
            **({} if desk is None else _money_answers(_Answers(desk))),
            **({} if routes is None else route_answers(routes)),
        }
        self._master_key = master_key
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        request_id = new_request_id()
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        try:
            answer = self._find(scope, headers)
            body: Body = {}
            if scope["method"] == "POST":
                sent = await read_body(receive, headers, self._limits)
                body = decode_body(sent, self._limits) if sent else {}
            elif scope["method"] == "GET":
                body = _query(scope["query_string"])
            await _send(send, 200, await answer(_word(scope["path"]), body), request_id)
        except CallerLeft:
            return
        except GatewayError as error:
            await _refuse(send, error, request_id)
        except Exception:  # noqa: BLE001 - the top of this surface: logged with its trace, answered without its text
            structlog.get_logger().exception("internal_error", request_id=request_id, path=scope["path"])
            await _refuse(send, GatewayError(INTERNAL_TEXT, code=INTERNAL), request_id)

    def _find(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Answer:
        method, path, answers = scope["method"], scope["path"].rstrip("/"), self._answers
        if self._master_key is None or not answers:
            raise InvalidRequest("there is no /admin here; set ADMIN_API_KEY, and LEDGER=on", code="unknown_url")
        given = headers.get(b"x-admin-api-key", b"").decode("latin-1").strip() or token_of(headers) or ""
        if not hmac.compare_digest(given.encode(), self._master_key.encode()):
            raise Unauthenticated("the key of /admin is needed: X-Admin-API-Key, or Authorization: Bearer")
        found = answers.get(_pattern(path))
        if found is None:
            raise InvalidRequest(
                f"there is nothing at {path[:100]}; there are {', '.join(answers)}", code="unknown_url"
            )
        if method not in found:
            raise InvalidRequest(f"{path[:80]} takes {' or '.join(found)} only", code="method_not_allowed")
        return found[method]


def _money_answers(answers: "_Answers") -> dict[str, Mapping[str, Answer]]:
    return {
        "/admin/keys": {"GET": answers.keys, "POST": answers.create_key},
        "/admin/keys/*": {"GET": answers.key, "DELETE": answers.revoke_key},
        "/admin/keys/*/rotate": {"POST": answers.rotate_key},
        "/admin/budgets": {"GET": answers.budgets, "POST": answers.set_budget},
        "/admin/budgets/*": {"DELETE": answers.remove_budget},
        "/admin/limits": {"GET": answers.limits, "POST": answers.set_limits},
        "/admin/usage": {"GET": answers.usage},
        "/admin/cache/*": {"GET": answers.cache, "POST": answers.flush_cache},
    }


class _Answers:
    """One method a route."""

    def __init__(self, desk: Administration) -> None:
        self._desk = desk

    async def keys(self, _: str, body: Body) -> Json:
        return {"keys": [encode_key(view) for view in await self._desk.keys()]}

    async def key(self, word: str, body: Body) -> Json:
        return encode_key(await self._desk.key(word))

    async def create_key(self, _: str, body: Body) -> Json:
        only(body, _KEY_MEMBERS, "")
        tags, limits = body.get("tags"), body.get("limits")
        wish = KeyWish(
            name=a_key_name(body.get("name"), "name"),
            team=None if body.get("team") is None else a_key_name(body["team"], "team"),
            models=_globs(body.get("models"), "models"),
            places=_globs(body.get("places"), "places"),
            tags={} if tags is None else {name: a_string(v, "tags") for name, v in an_object(tags, "tags").items()},
            limits=decode_limits({} if limits is None else limits, "limits"),
            run_budget_nano_usd=_amount(body.get("run_budget_usd"), "run_budget_usd"),
            expires_at=None if body.get("expires_at") is None else when(body["expires_at"], "expires_at"),
        )
        amount = body.get("budget_usd")
        budget = None if amount is None else budget_wish(amount, body.get("window", "month"), body.get("alerts"))
        new = await self._desk.create_key(wish, budget)
        return {"key": new.key, **encode_key(new.view)}

    async def rotate_key(self, word: str, body: Body) -> Json:
        new = await self._desk.rotate_key(word)
        return {"key": new.key, **encode_key(new.view)}

    async def revoke_key(self, word: str, body: Body) -> Json:
        return encode_key(await self._desk.revoke_key(word))

    async def budgets(self, _: str, body: Body) -> Json:
        return {"budgets": [encode_budget(state) for state in await self._desk.budgets()]}

    async def set_budget(self, _: str, body: Body) -> Json:
        only(body, ("scope", "scope_id", "budget_usd", "window", "alerts"), "")
        scope, scope_id = _scope(body, ("gateway", "team", "key"))
        wish = budget_wish(body.get("budget_usd"), body.get("window"), body.get("alerts"))
        return encode_budget(await self._desk.set_budget(scope, scope_id, wish))

    async def remove_budget(self, word: str, body: Body) -> Json:
        await self._desk.remove_budget(word)
        return {"removed": word}

    async def limits(self, _: str, body: Body) -> Json:
        told = await self._desk.limits()
        return {
            "limits": [
                {"scope": scope, "scope_id": scope_id, "limits": encode_limits(limits)}
                for (scope, scope_id), limits in told.items()
            ]
        }

    async def set_limits(self, _: str, body: Body) -> Json:
        only(body, ("scope", "scope_id", "limits"), "")
        scope, scope_id = _scope(body, ("team", "model"))
        limits = decode_limits(body.get("limits"), "limits")
        await self._desk.set_limits(scope, scope_id, limits)
        return {"scope": scope, "scope_id": scope_id, "limits": encode_limits(limits)}

    async def cache(self, word: str, body: Body) -> Json:
        if word == "entries":
            return await self._cache_entries(body)
        if word != "stats":
            raise _no_such(word)
        only(body, (), "")
        state = self._desk.cache_state()
        return {
            "enabled": state.enabled,
            "tiers": list(state.tiers),
            "entries": state.current_size,
            "max_entries": state.max_size,
            "bytes": state.current_bytes,
            "max_bytes": state.max_bytes,
            "ttl_s": state.ttl_s,
        }

    async def _cache_entries(self, body: Body) -> Json:
        only(body, ("limit",), "")
        found = await self._desk.cache_entries(_most(body.get("limit", "100")))
        return {
            "entries": [
                {
                    "fingerprint": entry.fingerprint[:_SHOWN],
                    "model": entry.label.model,
                    "scope": entry.label.scope or None,
                    "key_id": entry.label.key_id or None,
                    "age_s": round(entry.age_s, 1),
                    "bytes": entry.size_bytes,
                    "tier": entry.tier,
                }
                for entry in found
            ]
        }

    async def flush_cache(self, word: str, body: Body) -> Json:
        if word != "flush":
            raise _no_such(word)
        only(body, ("key", "model"), "")
        key, model = [None if body.get(name) is None else filled_text(body[name], name) for name in ("key", "model")]
        return {"flushed": await self._desk.flush_cache(key, model)}

    async def usage(self, _: str, body: Body) -> Json:
        only(body, ("by", "since", "until", "key", "team", "run"), "")
        key = body.get("key")
        question = UsageQuestion(
            by=by_words(body.get("by", "model"), "by"),
            since=a_day(body.get("since"), "since"),
            until=a_day(body.get("until"), "until"),
            key_id=None if key is None else (await self._desk.key(str(key))).record.id,
            team=cast("str | None", body.get("team")),
            run_id=cast("str | None", body.get("run")),
        )
        return encode_usage(question, await self._desk.usage(question))


def _most(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _MOST_ENTRIES):
        raise InvalidRequest(f"limit must be a whole number from 1 to {_MOST_ENTRIES}", field="limit")
    return int(text)


def _no_such(word: str) -> InvalidRequest:
    there = "GET /admin/cache/stats, GET /admin/cache/entries, POST /admin/cache/flush"
    return InvalidRequest(f"there is no /admin/cache/{word[:80]} of that kind; there are {there}", code="unknown_url")


def _pattern(path: str) -> str:
    parts = path.split("/")
    if len(parts) > 3:
        parts[3] = "*"
    return "/".join(parts)


def _word(path: str) -> str:
    parts = path.split("/")
    return parts[3] if len(parts) > 3 else ""


def _query(query: bytes) -> dict[str, object]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(query.decode("latin-1")))


def _globs(value: object, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple([filled_text(word, f"{field}[{number}]") for number, word in enumerate(a_list(value, field, "globs"))])


def _amount(value: object, field: str) -> int | None:
    return None if value is None else nano_usd(value, field)


def _scope(body: Body, scopes: tuple[str, ...]) -> tuple[str, str]:
    scope = body.get("scope")
    if scope not in scopes:
        raise InvalidRequest(f"scope must be {' or '.join(scopes)}", field="scope")
    if scope == "gateway":
        return "gateway", ""
    return str(scope), filled_text(body.get("scope_id"), "scope_id")


async def _send(send: Send, status: int, body: object, request_id: str, *more: tuple[bytes, bytes]) -> None:
    named = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode()), *_GUARDED, *more]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


async def _refuse(send: Send, error: GatewayError, request_id: str) -> None:
    status = status_of_error(error)
    more = [(b"www-authenticate", b'Bearer realm="llm-gateway admin"')] if status == 401 else []
    await _send(send, status, {"error": error_body(error, request_id)}, request_id, *error_headers(error), *more)

"""One HTTP site: streamable HTTP at ``/mcp``, SSE at ``/sse``, OpenAI's API at ``/v1``, the service's card at ``/``,
health at ``/health``."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from fastmcp import FastMCP
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from llm_gateway import __version__
from llm_gateway.administration import Administration
from llm_gateway.gateway import Gateway
from llm_gateway.reports import Reports
from llm_gateway.surfaces.admin_api import AdminDoor
from llm_gateway.surfaces.admin_routes import RouteKeeper
from llm_gateway.surfaces.anthropic_api.routes import AnthropicDoor
from llm_gateway.surfaces.door_guard import DoorGuard
from llm_gateway.surfaces.door_limits import DoorLimits
from llm_gateway.surfaces.health import Degraded, health_routes
from llm_gateway.surfaces.identity import KeyGuard, is_admins
from llm_gateway.surfaces.mcp_door import MESSAGES_PATH, BoundedBodies, McpDoor
from llm_gateway.surfaces.mcp_door import PATH as MCP_PATH
from llm_gateway.surfaces.openai_api.routes import OpenAiDoor
from llm_gateway.surfaces.request_ids import new_request_id

TRANSPORTS = {"streamable-http": MCP_PATH, "sse": "/sse"}
_LIMITS = DoorLimits()
_ONE_WORKER = "a session over SSE needs a server of one worker (--workers 1), and this one has more; use /mcp"
_MCP = (MCP_PATH, MCP_PATH + "/")
_FOR_PAGES = (
    *("x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry", "age", "mcp-session-id"),
    *(f"x-llm-gateway-{word}" for word in ("cache", "cache-tier", "model", "cost-usd", "route", "warnings")),
    *("x-llm-gateway-dropped-params", "x-llm-gateway-estimated"),
    *(f"x-ratelimit-{word}-{what}" for word in ("limit", "remaining", "reset") for what in ("requests", "tokens")),
)


def create_site(
    *,
    server: FastMCP,
    gateway: Gateway,
    reports: Reports,
    bound_host: str,
    allowed_hosts: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    limits: DoorLimits = _LIMITS,
    desk: Administration | None = None,
    master_key: str | None = None,
    degraded: Degraded = tuple,
    routes: RouteKeeper | None = None,
    keeps_sessions: bool = True,
) -> ASGIApp:
    """The site for one process. Its lifespan closes the gateway. Without ``keeps_sessions`` there is no SSE."""
    mcp = McpDoor(server, gateway, limits)
    sse = server.http_app(path="/sse", transport="sse")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with mcp.open(), sse.lifespan(sse):
            try:
                yield
            finally:
                await gateway.aclose()

    async def card(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "service": "llm-gateway",
                "version": __version__,
                "status": "ok",
                "transports": TRANSPORTS,
                "models": len(reports.models()),
            }
        )

    site = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", card, methods=["GET"]),
            *health_routes(gateway, degraded),
            *(_sse_routes(sse, limits) if keeps_sessions else _NO_SSE),
        ],
    )
    doors = KeyGuard(_doors(site, mcp, gateway, reports, limits), gateway, new_request_id)
    admin = AdminDoor(desk, master_key, limits, routes)
    doors = _admins_apart(admin, _shown_to_pages(doors, allowed_origins))
    return DoorGuard(doors, bound_host=bound_host, allowed_hosts=allowed_hosts, allowed_origins=allowed_origins)


async def _no_sse(_: Request) -> JSONResponse:
    told = {"code": "not_found", "type": "invalid_request_error", "param": None, "message": _ONE_WORKER}
    return JSONResponse({"error": told}, 404)


_NO_SSE = [Route(path, _no_sse, methods=["GET", "POST"]) for path in ("/sse", MESSAGES_PATH)]


def _sse_routes(sse: ASGIApp, limits: DoorLimits) -> list[Route]:
    return [Route("/sse", endpoint=sse), Route(MESSAGES_PATH, endpoint=BoundedBodies(sse, limits))]


def _shown_to_pages(site: ASGIApp, allowed_origins: Iterable[str]) -> ASGIApp:
    """Lets pages of the allowed origins read answers (CORS); without such origins nothing is added."""
    origins = [origin.rstrip("/") for origin in allowed_origins]
    if not origins:
        return site
    return CORSMiddleware(
        site, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=_FOR_PAGES, max_age=600
    )


def _admins_apart(admin: ASGIApp, doors: ASGIApp) -> ASGIApp:
    """``/admin`` has a key of its own, and no page may read its answers."""

    async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
        is_admin = scope["type"] == "http" and is_admins(scope["path"])
        await (admin if is_admin else doors)(scope, receive, send)

    return by_path


def _doors(site: ASGIApp, mcp: ASGIApp, gateway: Gateway, reports: Reports, limits: DoorLimits) -> ASGIApp:
    """``/v1`` and ``/mcp`` go past Starlette's router, whose layers would cost as much as a door itself."""
    openai = OpenAiDoor(gateway=gateway, reports=reports, limits=limits)
    anthropic = AnthropicDoor(gateway, limits=limits)

    async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        v1 = anthropic if path.startswith("/v1/messages") else openai
        if path.startswith("/v1/"):
            await v1(scope, receive, send)
        else:
            await (mcp if path in _MCP else site)(scope, receive, send)

    return by_path

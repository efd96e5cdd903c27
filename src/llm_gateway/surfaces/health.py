"""Whether the process lives, and whether it can answer: for whoever starts it, and for whoever sends it requests."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from llm_gateway.board import Standing
from llm_gateway.gateway import Gateway

Degraded = Callable[[], Sequence[str]]
"""The parts that are down while requests go on without them."""
PATHS = ("/health", "/health/live", "/health/ready")


def standing_of(gateway: Gateway, degraded: Degraded = tuple) -> Standing:
    """How this process stands now."""
    status = "closing" if gateway.closing else "healthy" if gateway.can_pay else "ledger_unavailable"
    return Standing(status, tuple(degraded()))


def told_at(path: str, standing: Standing) -> tuple[int, dict[str, object]]:
    """Status and body. Whoever goes on without a part is ready. To start it anew would not mend its database, so that
    alone is no failure of ``/health``."""
    if path == "/health/live":
        return 200, {"status": "alive"}
    is_healthy = standing.status == "healthy"
    body: dict[str, object] = {"status": "degraded" if is_healthy and standing.degraded else standing.status}
    if standing.degraded:
        body["degraded"] = list(standing.degraded)
    is_well = is_healthy or (path == "/health" and standing.status == "ledger_unavailable")
    return 200 if is_well else 503, body


def health_routes(gateway: Gateway, degraded: Degraded = tuple) -> list[Route]:
    """``/health``, ``/health/live`` and ``/health/ready``."""

    async def tell(request: Request) -> JSONResponse:
        status, body = told_at(request.url.path, standing_of(gateway, degraded))
        return JSONResponse(body, status)

    return [Route(path, tell, methods=["GET"]) for path in PATHS]

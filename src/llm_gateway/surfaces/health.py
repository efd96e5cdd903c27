"""Whether the process lives, and whether it can answer: for whoever starts it, and for whoever sends it requests."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from llm_gateway.gateway import Gateway

Degraded = Callable[[], Sequence[str]]
"""The parts that are down while requests go on without them."""


def health_routes(gateway: Gateway, degraded: Degraded = tuple) -> list[Route]:
    """``/health``, ``/health/live`` and ``/health/ready``. Whoever goes on without a part is ready."""

    def status() -> str:
        if gateway.closing:
            return "closing"
        return "healthy" if gateway.can_pay else "ledger_unavailable"

    def with_parts(told: str) -> dict[str, object]:
        parts = list(degraded())
        if not parts:
            return {"status": told}
        return {"status": "degraded" if told == "healthy" else told, "degraded": parts}

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> JSONResponse:
        told = status()
        return JSONResponse(with_parts(told), 200 if told == "healthy" else 503)

    async def health(_: Request) -> JSONResponse:
        """To start it anew would not mend its database, so that alone is no failure."""
        return JSONResponse(with_parts(status()), 503 if gateway.closing else 200)

    told_at = {"/health": health, "/health/live": live, "/health/ready": ready}
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in told_at.items()]

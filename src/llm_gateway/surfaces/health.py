"""Whether the process lives, and whether it can answer: for whoever starts it, and for whoever sends it requests."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from llm_gateway.gateway import Gateway


def health_routes(gateway: Gateway) -> list[Route]:
    """``/health``, ``/health/live`` and ``/health/ready``."""

    def status() -> str:
        if gateway.closing:
            return "closing"
        return "healthy" if gateway.can_pay else "ledger_unavailable"

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> JSONResponse:
        told = status()
        return JSONResponse({"status": told}, 200 if told == "healthy" else 503)

    async def health(_: Request) -> JSONResponse:
        """To start it anew would not mend its database, so that alone is no failure."""
        return JSONResponse({"status": status()}, 503 if gateway.closing else 200)

    told_at = {"/health": health, "/health/live": live, "/health/ready": ready}
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in told_at.items()]

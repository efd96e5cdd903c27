"""The yardstick: FastMCP as its documentation shows it, one tool that takes what ``generate`` takes and gives a
constant dictionary. Run: ``python -m benchmarks.bare_server [--port N]``; without a port it serves stdio."""

import sys
from typing import Any

from fastmcp import FastMCP

from benchmarks.bedrock_mock import ANSWER

CONSTANT = {
    "content": ANSWER,
    "model": "nova-micro",
    "model_id": "us.amazon.nova-micro-v1:0",
    "usage": {"input_tokens": 12, "output_tokens": 10, "total_tokens": 22},
    "finish_reason": "stop",
    "cached": False,
    "latency_ms": 1.234,
    "estimated_cost_usd": 0.00000182,
    "request_id": "req_000000000000000000000000",
    "warnings": [],
}


def create_server() -> FastMCP:
    """A fresh one; each can be served once."""
    server = FastMCP("bare")

    @server.tool
    async def generate(
        model: str, messages: list[dict[str, Any]], temperature: float = 0.7, max_tokens: int = 2000
    ) -> dict[str, Any]:
        """Gives a constant."""
        return CONSTANT

    return server


def serve_http(port: int) -> None:
    """In the gateway's own mode: stateless, answers as event streams, uvicorn on uvloop and httptools."""
    import uvicorn

    site = create_server().http_app(path="/mcp", stateless_http=True, json_response=False)
    uvicorn.run(site, host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False, backlog=2048)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--port"]:
        serve_http(int(sys.argv[2]))
    else:
        create_server().run(show_banner=False)

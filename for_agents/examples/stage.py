"""What the examples share: where the gateway is, and how a graph is shown at work."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from for_agents.bedrock_client import GatewayClient, server_command
from for_agents.gateway_answers import GatewayError

Play = Callable[[GatewayClient], Awaitable[None]]


def play(doc: str | None, act: Play) -> None:
    """Reads the options, opens the gateway, lets the graph run."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--sandbox", action="store_true", help="a Bedrock of this machine: no AWS account, no cost")
    where.add_argument("--url", help="a gateway that runs, such as http://127.0.0.1:8080/mcp")
    parser.add_argument("--key", help="its virtual key (LLM_GATEWAY_KEY)")
    options = parser.parse_args()

    async def run() -> None:
        if options.sandbox:
            async with sandbox() as env, GatewayClient(env=env) as client:
                await act(client)
        else:
            async with GatewayClient(options.url, key=options.key) as client:
                await act(client)

    try:
        asyncio.run(run())
    except GatewayError as refused:
        raise SystemExit(f"{refused.code}: {refused}") from refused


@asynccontextmanager
async def sandbox() -> AsyncIterator[dict[str, str]]:
    """The environment of a gateway that asks a sandbox, for as long as that runs."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *server_command("sandbox", "--port", "0"), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            async for line in process.stderr:
                words = line.decode().split()
                if words[:1] == ["address"]:
                    break
            else:
                raise SystemExit("the sandbox did not start")
            yield {
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": words[1],
                "AWS_ACCESS_KEY_ID": "sandbox",
                "AWS_SECRET_ACCESS_KEY": "sandbox",
                "LLM_GATEWAY_HOME": folder,
                "LOG_LEVEL": "ERROR",
            }
        finally:
            process.terminate()
            await process.communicate()


async def show(
    graph: Any, state: dict[str, Any], config: dict[str, Any] | None = None, *, together: Collection[str] = ()
) -> dict[str, Any]:
    """The graph as Mermaid, its tokens as they come, and what each node cost; the last state.

    ``together``: nodes of which many speak at the same time; their tokens are not shown, for they come mixed.
    """
    say(graph.get_graph().draw_mermaid())
    return await go_on(graph, state, config, together=together)


async def go_on(
    graph: Any, state: Any, config: dict[str, Any] | None = None, *, together: Collection[str] = ()
) -> dict[str, Any]:
    """Runs the graph from where it is."""
    last: dict[str, Any] = {}
    speaking = ""
    async for mode, event in graph.astream(state, config, stream_mode=["custom", "updates", "values"]):
        if mode == "custom":
            if event["node"] in together:
                continue
            if event["node"] != speaking:
                speaking = event["node"]
                sys.stdout.write(f"\n[{speaking}] ")
            sys.stdout.write(event["text"])
            sys.stdout.flush()
        elif mode == "updates":
            speaking = ""
            for node, update in event.items():
                if isinstance(update, dict) and "cost_usd" in update:
                    say(f"\n[{node}] cost {money(update['cost_usd'])}")
        else:
            last = event
    return last


def money(usd: Decimal | float | None) -> str:
    """An amount, or that none is known."""
    return "unknown" if usd is None else f"${usd:.9f}".rstrip("0")


def say(words: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()

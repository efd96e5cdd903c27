"""`llm-gateway demo`: the gateway at work, asked by a real MCP client over stdio and HTTP, and how to use it yourself.

Law: it checks what it shows; the exit code is 1 when anything is not as it should be.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from llm_gateway import __version__
from llm_gateway.demo_screen import Screen
from llm_gateway.demo_stage import (
    DemoFailed,
    Surroundings,
    http_gateway,
    sandbox_process,
    surroundings_on_aws,
    surroundings_on_sandbox,
)
from llm_gateway.serving import quiet_fastmcp
from llm_gateway.settings import load_settings

if TYPE_CHECKING:
    from fastmcp import Client

MODELS = ("nova-lite", "claude-haiku-4-5", "mistral-large-3")
_QUESTION = "What is a gateway? One sentence."
_MAX_TOKENS = 200
_WITHIN_S = 120.0
_DELTA_DELAY_MS = 30.0
_HEAD = ("model", "asked as", "tokens", "cost in $", "ms")
_CLAUDE_DESKTOP = """\
{
  "mcpServers": {
    "llm-gateway": {
      "command": COMMAND,
      "args": ARGS,
      "env": {"AWS_PROFILE": "default", "AWS_REGION": "us-east-1"}
    }
  }
}
"""
Result = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``llm-gateway demo``."""
    parser.add_argument(
        "--bedrock",
        choices=("sandbox", "aws"),
        default="sandbox",
        help="whom to ask: a Bedrock of this machine (default), or AWS with your credentials (costs less than a cent)",
    )
    parser.add_argument("--fast", action="store_true", help="without the pauses in which text is seen arriving")


def run(args: argparse.Namespace, *, environ: Mapping[str, str] | None = None, stdout: TextIO | None = None) -> int:
    """Plays the demo; the exit code: 0, or 1 when something was not as it should be.

    Raises:
        ConfigurationError: a setting is wrong that the gateway on AWS would read.
    """
    quiet_fastmcp()
    for name in ("no_proxy", "NO_PROXY"):  # or else the MCP client would look for this machine behind the proxy
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))
    if args.bedrock == "aws":
        load_settings()
    try:
        asyncio.run(_play(args, os.environ if environ is None else environ, Screen(stdout or sys.stdout)))
    except DemoFailed as failed:
        sys.stderr.write(f"\nllm-gateway demo: {failed}\n")
        return 1
    except TimeoutError:
        sys.stderr.write(f"\nllm-gateway demo: not done within {_WITHIN_S:.0f} s\n")
        return 1
    return 0


@dataclass(slots=True)
class Takings:
    """What the servers say that the demo cost, and what went wrong."""

    cost_usd: float = 0.0
    wrong: list[str] = field(default_factory=list[str])

    def expect(self, right: bool, sentence: str) -> None:
        if not right:
            self.wrong.append(sentence)


async def _play(args: argparse.Namespace, environ: Mapping[str, str], screen: Screen) -> None:
    on_aws = args.bedrock == "aws"
    takings = Takings()
    async with asyncio.timeout(_WITHIN_S), AsyncExitStack() as stack:
        empty = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llm-gateway-demo-")))
        if on_aws:
            around = surroundings_on_aws(environ, Path.cwd())
            screen.line(f"llm-gateway {__version__} on Amazon Bedrock, with your own credentials")
        else:
            delay_ms = 0.0 if args.fast else _DELTA_DELAY_MS
            url = await stack.enter_async_context(sandbox_process(environ, empty, delta_delay_ms=delay_ms))
            around = surroundings_on_sandbox(environ, empty, url)
            screen.line(f"llm-gateway {__version__} on a Bedrock of this machine: the sandbox at {url}")
            screen.line(
                "It speaks Bedrock's wire and is no model: its answers are made up. Nothing leaves this machine."
            )
        log = empty / "stdio.log"
        await _over_stdio(around, log, screen, takings, on_aws=on_aws)
        async with http_gateway(around) as site:
            await _over_http(site, screen, takings, streaming=not args.fast)
        last_words = _last_words(takings, log)
    if on_aws:
        screen.line(f"\nAll of this cost ${takings.cost_usd:.6f}.")
    if takings.wrong:
        raise DemoFailed("\n  ".join(["not as it should be", *takings.wrong]) + last_words)
    _how_to_go_on(screen, on_aws=on_aws)


def _last_words(takings: Takings, log: Path) -> str:
    """The end of the gateway's log where a fault of ours is in it; the log goes with the demo's folder."""
    if not any("internal_error" in sentence for sentence in takings.wrong):
        return ""
    return "\nThe gateway's log ends with\n" + log.read_text(encoding="utf-8", errors="replace")[-2000:]


async def _over_stdio(around: Surroundings, log: Path, screen: Screen, takings: Takings, *, on_aws: bool) -> None:
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    gateway = StdioTransport(
        sys.executable,
        ["-m", "llm_gateway", "serve", "--transport", "stdio"],
        env=dict(around.environ),
        cwd=str(around.folder),
        keep_alive=False,
        log_file=log,
    )
    screen.title(f"Three models, asked over stdio: {_QUESTION}")
    async with Client(gateway) as client:
        screen.row(_HEAD)
        for model in MODELS:
            _show_answer(screen, takings, model, await _ask(client, model, _QUESTION))
        if len(takings.wrong) >= len(MODELS):
            raise DemoFailed("no model answered; the lines above say why" + _last_words(takings, log))
        screen.title("The same question again, and one that cannot be answered")
        again = await _ask(client, MODELS[0], _QUESTION)
        _show_answer(screen, takings, MODELS[0], again, kept=True)
        screen.line()
        _show_error(screen, takings, "model_not_found", "nova-por", await _ask(client, "nova-por", _QUESTION))
        if not on_aws:
            throttled = await _ask(client, MODELS[0], "[[fault:throttle]] Fail on demand, as Bedrock does.")
            _show_error(screen, takings, "upstream_throttled", MODELS[0], throttled)
        screen.title("What get_stats says of that")
        _show_stats(screen, takings, await _call(client, "get_stats", {}))


async def _over_http(site: str, screen: Screen, takings: Takings, *, streaming: bool) -> None:
    from fastmcp import Client

    health = await _health(site)
    screen.title(f"Over HTTP at {site}/mcp: the text arrives while it is made")
    takings.expect(health == {"status": "healthy"}, f"GET {site}/health said {health}")
    started_at = time.perf_counter()
    arrived_ms: list[float] = []
    heard: list[str] = []

    async def progress(_: float, __: float | None, text: str | None) -> None:
        arrived_ms.append((time.perf_counter() - started_at) * 1000)
        heard.append(text or "")
        screen.piece(text or "")

    async with Client(f"{site}/mcp", progress_handler=progress) as client:
        models = await _call(client, "list_models", {})
        takings.expect(len(models["result"]) > 0, "list_models named no model")
        started_at = time.perf_counter()
        answer = await _ask(client, MODELS[1], f"{_QUESTION} Then one example.")
        stats = await _call(client, "get_stats", {})
    screen.end_text()
    takings.cost_usd += stats["metrics"]["total_cost_usd"]
    if "error" in answer:
        takings.expect(False, f"over HTTP: {answer['error']['message']}")
        return
    takings.expect("".join(heard) == answer["content"], "the pieces that arrived are not the answer")
    takings.expect(len(heard) > 1 or not streaming, "the answer arrived in one piece")
    screen.line()
    first_ms, last_ms = arrived_ms[0], arrived_ms[-1]
    screen.named(MODELS[1], f"pieces: {len(heard)}, the first after {first_ms:.0f} ms, the last after {last_ms:.0f} ms")
    screen.named("/health", f"{health['status']}; {len(models['result'])} models in list_models")


def _show_answer(screen: Screen, takings: Takings, model: str, told: Result, *, kept: bool = False) -> None:
    if "error" in told:
        screen.named(model, f"{told['error']['code']}: {told['error']['message']}")
        takings.expect(False, f"{model}: {told['error']['code']}")
        return
    usage, cost = told["usage"], told["estimated_cost_usd"]
    takings.expect(bool(told["content"]), f"{model}: an empty answer")
    takings.expect(told["cached"] is kept, f"{model}: cached is {told['cached']}")
    takings.expect(cost == 0 if kept else bool(cost), f"{model}: estimated_cost_usd is {cost}")
    tokens = f"{usage['input_tokens']}+{usage['output_tokens']}"
    price = "?" if cost is None else "0" if not cost else f"{cost:.8f}"
    asked_as = "(from the cache, nobody was asked)" if kept else str(told["model_id"])
    screen.row((model, asked_as, tokens, price, f"{told['latency_ms']:.1f}"))
    screen.quoted(told["content"])


def _show_error(screen: Screen, takings: Takings, code: str, model: str, told: Result) -> None:
    error = told.get("error", {})
    takings.expect(error.get("code") == code, f"{model}: expected {code}, got {error.get('code', 'an answer')}")
    if code == "model_not_found":
        takings.expect("nova-pro" in error.get("closest", ()), "nova-por: nova-pro is not among the closest names")
    screen.named(model, f"{error.get('code')}: {error.get('message')}")


def _show_stats(screen: Screen, takings: Takings, told: Result) -> None:
    m = told["metrics"]
    takings.expect(m["cache_hits"] == 1, f"get_stats counts {m['cache_hits']} cache hits, not 1")
    takings.expect(bool(m["total_cost_usd"]), "get_stats knows no cost")
    takings.cost_usd += m["total_cost_usd"]
    errors = ", ".join(f"{count} {code}" for code, count in m["errors_by_code"].items())
    costs = ", ".join(f"{model} {cost:.8f}" for model, cost in m["cost_by_model"].items() if cost)
    hit_rate = m["cache_hit_rate_percent"]
    screen.named(
        "requests", f"{m['total_requests']}: {m['successful_requests']} answered, {m['errors']} refused ({errors})"
    )
    screen.named("cache", f"{m['cache_hits']} of {m['cache_hits'] + m['cache_misses']} from the cache ({hit_rate} %)")
    screen.named("tokens", f"{m['total_tokens']}")
    screen.named("cost", f"${m['total_cost_usd']:.8f} ({costs})")
    latency = m["latency_ms"]
    screen.named("latency", f"p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms")


async def _ask(client: "Client[Any]", model: str, question: str) -> Result:
    return await _call(
        client,
        "generate",
        {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": _MAX_TOKENS},
    )


async def _call(client: "Client[Any]", tool: str, arguments: Result) -> Result:
    """The tool's structured content; a refusal is ``{"error": …}``."""
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    if answer.structured_content is None:
        raise DemoFailed(f"{tool} answered without structured content: {answer.content}")
    return answer.structured_content


async def _health(site: str) -> Result:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(f"{site}/health") as response:
        return await response.json()


def _how_to_go_on(screen: Screen, *, on_aws: bool) -> None:
    command = shutil.which("llm-gateway", path=str(Path(sys.executable).parent))
    words = ["serve"] if command else ["-m", "llm_gateway", "serve"]
    screen.title("Use it yourself")
    if not on_aws:
        screen.line("On AWS, for less than a cent: credentials as every AWS tool takes them, then")
        screen.line("    make demo BEDROCK=aws         (or: llm-gateway demo --bedrock aws)")
        screen.line("    llm-gateway doctor            says what is missing, if anything is")
    screen.line("As a server:")
    screen.line("    llm-gateway serve --transport http    offers /mcp and /sse on http://127.0.0.1:8080")
    screen.line("In Claude Desktop: Settings > Developer > Edit Config, with your profile and region:")
    for line in _CLAUDE_DESKTOP.splitlines():
        filled = line.replace("COMMAND", json.dumps(command or sys.executable)).replace("ARGS", json.dumps(words))
        screen.line(f"    {filled}")

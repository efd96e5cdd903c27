"""Five agents work on one document, each with a key of its own; in the end everybody's bill.

python examples/document_pipeline.py                                             on the sandbox, without AWS
python examples/document_pipeline.py --url http://127.0.0.1:8080 --admin-key …   on a gateway that runs
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

DOCUMENT = """Agreement of 3 March 2026 between Nordwind GmbH (supplier) and Harbour Foods Ltd (buyer).

1. The supplier delivers 1,200 pallets of frozen peas in twelve monthly parts, the first by 1 April 2026.

2. The price is EUR 410 a pallet. Invoices are due within 30 days; interest on arrears is 5 % a year.

3. Either side may end this agreement with three months' notice. Disputes go to the courts of Hamburg."""


class Agent(NamedTuple):
    """What an agent may do, and what it is told to do."""

    name: str
    model: str
    budget_usd: str
    task: str


SUPERVISOR = Agent("supervisor", "claude-haiku-4.5", "0.50", "Plan in three lines how to read this agreement:")
CHUNKING = Agent("chunking", "nova-micro", "0.05", "Name the clauses of this agreement:")
EXTRACTION = Agent("extraction", "nova-lite", "0.20", "List parties, dates and amounts in this clause:")
MAPPING = Agent("mapping", "nova-lite", "0.10", "Map these facts to the fields buyer, supplier, price, term:")
VALIDATION = Agent("validation", "nova-pro", "0.20", "Say which fields contradict the agreement:")
AGENTS = (SUPERVISOR, CHUNKING, EXTRACTION, MAPPING, VALIDATION)


class Worker:
    """An agent at work: one MCP session under its own key."""

    def __init__(self, agent: Agent, url: str, key: str, run_id: str) -> None:
        self.agent = agent
        self._run_id = run_id
        way = StreamableHttpTransport(f"{url}/mcp", headers={"authorization": f"Bearer {key}"})
        self.client: Client[Any] = Client(way)

    async def ask(self, text: str, model: str | None = None) -> str:
        """One consultation; the text of the answer, or of the error."""
        told = await self.client.call_tool(
            "generate",
            {
                "model": model or self.agent.model,
                "messages": [{"role": "user", "content": f"{self.agent.task}\n\n{text}"}],
                "max_tokens": 300,
                "agent": self.agent.name,
                "run_id": self._run_id,
            },
            raise_on_error=False,
        )
        answer = told.structured_content or {}
        return answer["error"]["message"] if "error" in answer else answer["content"]


class Office:
    """The administrator's side: makes keys, reads bills."""

    def __init__(self, http: aiohttp.ClientSession, url: str, admin_key: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"x-admin-api-key": admin_key}

    async def key_for(self, agent: Agent, run_id: str) -> str:
        """A key that lets the agent ask its own model, within its budget."""
        wish = {
            "name": f"{agent.name}-{run_id[-6:]}",
            "team": "documents",
            "models": [agent.model],
            "budget_usd": agent.budget_usd,
            "window": "day",
            "limits": {"rpm": 120, "concurrent": 8},
            "tags": {"pipeline": "agreements"},
        }
        return (await self.ask("POST", "keys", wish))["key"]

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One request to ``/admin``."""
        async with self._http.request(method, f"{self._url}/admin/{path}", json=body, headers=self._headers) as answer:
            told = await answer.json()
            if answer.status != 200:
                raise SystemExit(f"/admin/{path}: {told['error']['message']}")
            return told


async def work(url: str, admin_key: str) -> None:
    """The pipeline, from the keys to the bill."""
    run_id = f"doc-{secrets.token_hex(4)}"
    async with aiohttp.ClientSession() as http:
        office = Office(http, url, admin_key)
        keys = {agent: await office.key_for(agent, run_id) for agent in AGENTS}
        say(f"run {run_id}: five agents, a key each")
        workers = {agent: Worker(agent, url, key, run_id) for agent, key in keys.items()}
        plan = await consult(workers[SUPERVISOR], DOCUMENT)
        await consult(workers[CHUNKING], f"{plan}\n\n{DOCUMENT}")
        async with workers[EXTRACTION].client:
            facts = await asyncio.gather(*[workers[EXTRACTION].ask(clause) for clause in DOCUMENT.split("\n\n")])
        say(f"extraction    {len(facts)} clauses at once")
        mapped = await consult(workers[MAPPING], "\n".join(facts))
        await consult(workers[VALIDATION], f"{mapped}\n\n{DOCUMENT}")
        async with workers[CHUNKING].client:
            say(f"chunking      asks claude-opus-4.6: {await workers[CHUNKING].ask('Hello', 'claude-opus-4.6')}")
        bill = await office.ask("GET", f"usage?by=agent,model&run={run_id}")
    say(f"\n{'AGENT':12} {'MODEL':18} {'CALLS':>5} {'TOKENS IN':>10} {'OUT':>6} {'US DOLLARS':>14}")
    for row in bill["rows"]:
        tokens = f"{row['input_tokens']:>10} {row['output_tokens']:>6}"
        say(f"{row['agent']:12} {row['model']:18} {row['calls']:>5} {tokens} {row['cost_usd']:>14}")
    say(f"{'the run':54} {bill['total_cost_usd']:>14}")


async def consult(worker: Worker, text: str) -> str:
    """Asks once, and shows the beginning of the answer."""
    async with worker.client:
        answer = await worker.ask(text)
    say(f"{worker.agent.name:12}  {' '.join(answer.split())[:90]}")
    return answer


@asynccontextmanager
async def own_gateway() -> AsyncGenerator[tuple[str, str]]:
    """Address and master key of a gateway in front of a sandbox, for as long as the pipeline runs."""
    master = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory() as folder:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        async with process(["sandbox", "--port", "0"], clean, folder) as lines:
            sandbox = await found(lines, "address", lambda line: line.split()[1])
            around = {
                **clean,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": sandbox,
                "AWS_ACCESS_KEY_ID": "sandbox",
                "AWS_SECRET_ACCESS_KEY": "sandbox",
                "LLM_GATEWAY_HOME": folder,
                "ADMIN_API_KEY": master,
                "LOG_FORMAT": "json",
                "LOG_LEVEL": "INFO",
            }
            async with process(["serve", "--transport", "http", "--port", "0"], around, folder) as more:
                mcp = await found(more, '"event":"listening"', lambda line: json.loads(line)["mcp"])
                yield mcp.removesuffix("/mcp"), master


@asynccontextmanager
async def process(words: list[str], environ: dict[str, str], folder: str) -> AsyncGenerator[asyncio.StreamReader]:
    """``llm-gateway WORDS``; what it writes to stderr."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llm_gateway", *words),
        env=environ,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started.stderr or asyncio.StreamReader()
    finally:
        started.terminate()
        await started.communicate()


async def found(lines: asyncio.StreamReader, mark: str, read: Any) -> str:
    """What ``read`` makes of the first line with the mark."""
    async for raw in lines:
        line = raw.decode()
        if mark in line:
            return read(line)
    raise SystemExit("a process ended before it listened")


def say(words: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Reads the options, then works."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a gateway that runs; without it one is started on the sandbox")
    parser.add_argument("--admin-key", default=os.environ.get("ADMIN_API_KEY"), help="its ADMIN_API_KEY")
    options = parser.parse_args()
    if options.url is None:
        async with own_gateway() as (url, master):
            await work(url, master)
    elif options.admin_key is None:
        parser.error("--url needs --admin-key, or ADMIN_API_KEY in the environment")
    else:
        await work(options.url.rstrip("/"), options.admin_key)


if __name__ == "__main__":
    asyncio.run(main())

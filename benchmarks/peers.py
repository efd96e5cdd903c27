"""Other gateways beside ours: the same mock of Bedrock, the same callers, one worker each, in turns.

Run by ``make bench-peers``, which installs each of them into an environment of its own. ``python -m benchmarks.peers``.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import orjson
import uvloop

from benchmarks.load import Request, call_many, callers, chat, fresh_numbers, times_ms
from benchmarks.machine import describe
from benchmarks.plan import CALLERS
from benchmarks.processes import ROOT, Server, child_environment, free_port, gateway, mock, running_command

_PLACE = ROOT / ".bench-peers"
_ROUNDS = 5
_LEAST_LITELLM, _LEAST_PORTKEY = 20, 3
_MODEL = "us.amazon.nova-micro-v1:0"


@dataclass(slots=True)
class Peer:
    """One gateway under measurement. ``calls`` are those of a round: about as many seconds for each gateway. ``aim`` is
    how many times its requests a second ours are to be."""

    name: str
    server: Server
    request: Request
    calls: int
    aim: int | None = None
    per_s: list[float] = field(default_factory=list[float])
    cpu_ms: list[float] = field(default_factory=list[float])
    took_ms: list[float] = field(default_factory=list[float])
    rss_mb: float = 0.0

    async def round(self) -> None:
        """One round, after one call of each caller that warms it up."""
        async with callers(self.server.port, CALLERS) as opened:
            await call_many(opened, self.request, fresh_numbers(), CALLERS, _check)
            before_s, started_at = self.server.cpu_s(), time.perf_counter()
            took_ms = await times_ms(opened, self.request, fresh_numbers(), calls=self.calls, within_s=0)
            self.per_s.append(self.calls / (time.perf_counter() - started_at))
            self.cpu_ms.append((self.server.cpu_s() - before_s) * 1000 / self.calls)
            self.took_ms += took_ms
        self.rss_mb = self.server.rss_mb()


def _check(answer: tuple[int, bytes]) -> None:
    if answer[0] != 200 or b"lazy dog" not in answer[1]:
        raise RuntimeError(f"an answer is none, with status {answer[0]}: {answer[1][:500]!r}")


@contextlib.contextmanager
def ours(mock_port: int) -> Iterator[Peer]:
    """As ``make bench`` measures it."""
    with gateway(mock_port) as server:
        yield Peer("llm-gateway", server, chat(), 2000)


@contextlib.contextmanager
def litellm(mock_port: int) -> Iterator[Peer]:
    """LiteLLM's proxy: one model, no database, no callbacks."""
    config = {
        "model_list": [
            {
                "model_name": "nova-micro",
                "litellm_params": {
                    "model": f"bedrock/converse/{_MODEL}",
                    "aws_region_name": "us-east-1",
                    "aws_bedrock_runtime_endpoint": f"http://127.0.0.1:{mock_port}",
                },
            }
        ],
        "litellm_settings": {"telemetry": False},
    }
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "config.yaml")
        written.write_bytes(orjson.dumps(config))  # JSON is YAML too
        command = [str(_PLACE / "litellm/bin/litellm"), "--config", str(written), "--num_workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        without_key = {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}  # as ours, and faster
        environment = child_environment(mock_port, **quiet, **without_key)
        environment.pop("PYTHONPATH")
        with running_command(command, port, environment) as server:
            yield Peer(f"LiteLLM proxy {_litellm_version()}", server, chat(), 200, _LEAST_LITELLM)


@contextlib.contextmanager
def portkey(mock_port: int) -> Iterator[Peer]:
    """Portkey's gateway; whom to ask, and as whom, stands in the headers of each request."""
    told = {
        "provider": "bedrock",
        "aws-access-key-id": "AKIDBENCHMARK",
        "aws-secret-access-key": "no-secret",
        "aws-region": "us-east-1",
        "custom-host": f"http://127.0.0.1:{mock_port}",
    }
    headers = "".join(f"x-portkey-{name}: {value}\r\n" for name, value in told.items())
    port = free_port()
    package = _PLACE / "portkey/node_modules/@portkey-ai/gateway"
    command = ["node", str(package / "build/start-server.js"), f"--port={port}", "--headless"]
    environment = child_environment(mock_port, TRUSTED_CUSTOM_HOSTS="127.0.0.1,localhost")
    with running_command(command, port, environment) as server:
        version = orjson.loads((package / "package.json").read_bytes())["version"]
        yield Peer(f"Portkey gateway {version}", server, chat(model=_MODEL, headers=headers), 1000, _LEAST_PORTKEY)


async def measure(peers: Sequence[Peer]) -> None:
    """In turns."""
    for _ in range(_ROUNDS):
        for peer in peers:
            await peer.round()


def table(peers: Sequence[Peer]) -> str:
    """In Markdown, so that the README can quote it. The last columns are ours to theirs, and theirs to ours."""
    head = ("gateway", "requests/s", "CPU per request", "p50", "p99", "memory", "requests/s, ours to its", "aim", "CPU")
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    my_per_s, my_cpu_ms = median(peers[0].per_s), median(peers[0].cpu_ms)
    for peer in peers:
        per_s, cpu_ms = median(peer.per_s), median(peer.cpu_ms)
        cuts = quantiles(peer.took_ms, n=100, method="inclusive")
        ratio = my_per_s / per_s
        met = "" if peer.aim is None else f"≥ {peer.aim} ×: {'yes' if ratio >= peer.aim else '**no**'}"
        cells = (peer.name, f"{per_s:,.0f}", f"{cpu_ms:.3f} ms", f"{cuts[49]:.1f} ms", f"{cuts[98]:.1f} ms")
        cells += (f"{peer.rss_mb:.0f} MB", f"{ratio:.1f} ×", met, f"{cpu_ms / my_cpu_ms:.1f} ×")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _litellm_version() -> str:
    found = next(_PLACE.glob("litellm/lib/python*/site-packages/litellm-*.dist-info"))
    return found.name.removeprefix("litellm-").removesuffix(".dist-info")


_PEERS: dict[str, Callable[[int], contextlib.AbstractContextManager[Peer]]] = {"litellm": litellm, "portkey": portkey}


def main(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", choices=_PEERS, help="one of them beside ours")
    only = parser.parse_args(arguments).only
    print(describe(), end="\n\n", flush=True)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(mock())
        chosen = [ours, *(begin for name, begin in _PEERS.items() if only in (None, name))]
        peers = [stack.enter_context(begin(upstream.port)) for begin in chosen]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(peers))
        print(table(peers))
    print(f"\n{CALLERS} callers, a model that answers at once; medians of {_ROUNDS} rounds in turns.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

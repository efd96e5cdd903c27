"""For agents: what the LangGraph node of ``for_agents/`` takes beside its bare client, over one stdio session."""

import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from for_agents.bedrock_client import GatewayClient
from for_agents.llm_node import AgentState, make_llm_node
from langgraph.graph import END, StateGraph

from benchmarks.plan import Line, Plan
from benchmarks.processes import child_environment

_MODEL = "nova-micro"
_WARM = 20
_serial = itertools.count(1)


async def node_lines(plan: Plan, mock_port: int) -> list[Line]:
    """The node by itself; and a graph with it beside the same graph with a node that asks the bare client."""
    env = child_environment(mock_port, LOG_LEVEL="ERROR")
    async with GatewayClient(command=(sys.executable, "-m", "llm_gateway", "serve"), env=env) as client:

        async def generate(state: Any) -> dict[str, Any]:
            return {"response": (await client.generate(_MODEL, _words(state), max_tokens=200)).content}

        async def stream(state: Any) -> dict[str, Any]:
            pieces = [event.text async for event in client.stream(_MODEL, _words(state), max_tokens=200)]
            return {"response": "".join(pieces)}

        node = make_llm_node(_MODEL, client=client, max_tokens=200)
        whole, plain = _graph_of(node), _graph_of(stream)
        return [
            await _line("LangGraph node (beside client.generate)", node.ainvoke, generate, plan),
            await _line("a graph of it (beside one of client.stream)", whole.ainvoke, plain.ainvoke, plan),
        ]


def _words(state: Any) -> str:
    said = state["messages"][-1]
    return str(said["content"] if isinstance(said, dict) else said.content)


def _graph_of(node: Any) -> Any:
    workflow = StateGraph(AgentState)
    workflow.add_node("llm", node)
    workflow.set_entry_point("llm")
    workflow.add_edge("llm", END)
    return workflow.compile()


async def _line(
    measure: str, mine: Callable[[Any], Awaitable[Any]], theirs: Callable[[Any], Awaitable[Any]], plan: Plan
) -> Line:
    """Asked in turns, one call at a time."""
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(_WARM + plan.stdio_rounds * plan.stdio_calls):
        for side, call in enumerate((mine, theirs)):
            state = {"messages": [{"role": "user", "content": f"Say something about owl number {next(_serial)}."}]}
            started_at = time.perf_counter()
            await call(state)
            if turn >= _WARM:
                took[side].append((time.perf_counter() - started_at) * 1000)
    ours, bare = median(took[0]), median(took[1])
    return Line(
        measure=measure,
        ours=f"{ours:.3f} ms",
        bare=f"{bare:.3f} ms",
        ratio=f"{ours - bare:+.3f} ms",
        target="≤ +1 ms",
        met=ours - bare <= 1,
    )

"""(4) Map-reduce over a document: five agents, paragraphs in parallel, and a bill for each agent.

    python -m for_agents.examples.map_reduce --sandbox

The document is the beginning of the United States Declaration of Independence (1776), in the public domain.
"""

import operator
import secrets
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from langgraph.graph import END, StateGraph
from langgraph.types import Send

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import money, play, say
from for_agents.llm_node import AgentState, make_llm_node

DOCUMENT = Path(__file__).with_name("preamble.txt")
AGENTS = {
    "supervisor": ("claude-haiku-4-5", "Plan in two lines how to summarize this document:"),
    "chunking": ("nova-micro", "Give a title to each paragraph:"),
    "extraction": ("nova-lite", "Name the claims of this paragraph:"),
    "mapping": ("nova-lite", "Order these claims by theme:"),
    "validation": ("nova-pro", "Which claim is not in the document?"),
}


class Work(AgentState, total=False):
    """The state, with what the paragraphs gave and what each agent cost."""

    document: str
    claims: Annotated[list[str], operator.add]
    bill: Annotated[list[tuple[str, float]], operator.add]


def agent(name: str, client: GatewayClient) -> Any:
    """A node that consults one agent's model on a text and writes its cost on the bill."""
    model, task = AGENTS[name]
    node = make_llm_node(model, agent=name, client=client, max_tokens=300)

    async def consult(state: Any) -> dict[str, Any]:
        text = state.get("paragraph") or "\n".join(state.get("claims", ())) or state["document"]
        asked = {"messages": [{"role": "user", "content": f"{task}\n\n{text}"}], "run_id": state["run_id"]}
        told = await node.ainvoke(asked)
        bill = [(name, told["cost_usd"] or 0.0)]
        if name == "extraction":
            return {"claims": [told["response"]], "bill": bill}
        return {"response": told["response"], "bill": bill}

    return consult


def paragraphs(state: Work) -> list[Send]:
    """One extraction for each paragraph, all at the same time."""
    parts = [part for part in state["document"].split("\n\n") if part.strip()]
    return [Send("extraction", {"paragraph": part, "run_id": state["run_id"]}) for part in parts]


async def act(client: GatewayClient) -> None:
    """Reads the document, and shows the bill."""
    workflow = StateGraph(Work)
    for name in AGENTS:
        workflow.add_node(name, agent(name, client))
    workflow.set_entry_point("supervisor")
    workflow.add_edge("supervisor", "chunking")
    workflow.add_conditional_edges("chunking", paragraphs, ["extraction"])
    workflow.add_edge("extraction", "mapping")
    workflow.add_edge("mapping", "validation")
    workflow.add_edge("validation", END)
    graph = workflow.compile()
    say(graph.get_graph().draw_mermaid())
    run = f"declaration-{secrets.token_hex(4)}"
    last = await graph.ainvoke({"document": DOCUMENT.read_text(encoding="utf-8"), "run_id": run})
    say(f"[validation] {last['response']}\n")
    costs: dict[str, list[float]] = defaultdict(list)
    for name, cost in last["bill"]:
        costs[name].append(cost)
    for name, parts in costs.items():
        say(f"{name:12} {len(parts)} calls  {money(sum(parts))}")
    ledger = await client.get_usage(by=["agent"], run_id=run)
    say(f"{'the ledger':12} {ledger['calls']} calls  ${ledger['total_cost_usd']}")


if __name__ == "__main__":
    play(__doc__, act)

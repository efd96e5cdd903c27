"""(4) Map-reduce over a document: five agents, its parts in parallel, and a bill for each agent.

    python -m for_agents.examples.map_reduce --sandbox

The document is the Constitution of the United States with its amendments (45 kB, in the public domain).
"""

import operator
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from langgraph.graph import END, StateGraph
from langgraph.types import Send

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import money, play, say, show
from for_agents.llm_node import AgentState, make_llm_node

DOCUMENT = Path(__file__).with_name("constitution.txt")
PART_CHARACTERS = 3000
AGENTS = {
    "supervisor": ("claude-haiku-4-5", "Plan in two lines how to summarize a document with this outline:"),
    "chunking": ("nova-micro", "Name the themes of this document, one a line:"),
    "extraction": ("nova-lite", "Name the claims of this part of a document, one a line:"),
    "mapping": ("nova-lite", "Put each of these claims under one of these themes:"),
    "validation": ("nova-pro", "Which of these claims does the document not make?"),
}


class Work(AgentState, total=False):
    """The state, with what each agent leaves for the next, and the bill: who asked, and for how much."""

    document: str
    themes: str
    claims: Annotated[list[str], operator.add]
    bill: Annotated[list[tuple[str, float]], operator.add]


def parts(document: str) -> list[str]:
    """Paragraphs that follow one another, as many as fit into a part; none is cut."""
    found = [""]
    for paragraph in document.split("\n\n"):
        if found[-1] and len(found[-1]) + len(paragraph) > PART_CHARACTERS:
            found.append("")
        found[-1] += paragraph + "\n\n"
    return found


def text_for(name: str, state: Any) -> str:
    """What an agent reads."""
    if name == "supervisor":
        return "\n".join(line for line in state["document"].splitlines() if line.startswith(("Article", "Amendment")))
    if name == "extraction":
        return str(state["part"])
    claims = "\n".join(state.get("claims", ()))
    return {"mapping": f"{state.get('themes')}\n\n{claims}", "validation": f"{claims}\n\n{state['document']}"}.get(
        name, state["document"]
    )


def agent(name: str, client: GatewayClient) -> Any:
    """A node that consults one agent's model and writes its cost on the bill."""
    model, task = AGENTS[name]
    node = make_llm_node(model, agent=name, client=client, max_tokens=1000)

    async def consult(state: Any) -> dict[str, Any]:
        question = {"role": "user", "content": f"{task}\n\n{text_for(name, state)}"}
        told = await node.ainvoke({"messages": [question], "run_id": state["run_id"]})
        left = {"chunking": {"themes": told["response"]}, "extraction": {"claims": [told["response"]]}}.get(name, {})
        cost = told["cost_usd"]
        return {"response": told["response"], "cost_usd": cost, "bill": [(name, cost or 0.0)], **left}

    return consult


def one_each(state: Work) -> list[Send]:
    """One extraction for each part, all at the same time."""
    return [Send("extraction", {"part": part, "run_id": state["run_id"]}) for part in parts(state["document"])]


async def act(client: GatewayClient) -> None:
    """Reads the document, and shows the bill beside the ledger's."""
    workflow = StateGraph(Work)
    for name in AGENTS:
        workflow.add_node(name, agent(name, client))
    workflow.set_entry_point("supervisor")
    workflow.add_edge("supervisor", "chunking")
    workflow.add_conditional_edges("chunking", one_each, ["extraction"])
    workflow.add_edge("extraction", "mapping")
    workflow.add_edge("mapping", "validation")
    workflow.add_edge("validation", END)
    document = DOCUMENT.read_text(encoding="utf-8").partition("----")[2].strip()
    run = f"constitution-{secrets.token_hex(4)}"
    last = await show(workflow.compile(), {"document": document, "run_id": run}, together={"extraction"})
    say("\nThe bill:")
    for name in AGENTS:
        costs = [Decimal(str(cost)) for who, cost in last["bill"] if who == name]
        say(f"{name:12} {len(costs):3} calls  {money(sum(costs))}")
    say(f"{'in all':12} {len(last['bill']):3} calls  {money(sum(Decimal(str(cost)) for _, cost in last['bill']))}")
    ledger = await client.get_usage(by=["agent"], run_id=run)
    say(f"{'the ledger':12} {ledger['calls']:3} calls  {money(Decimal(ledger['total_cost_usd']))}")


if __name__ == "__main__":
    play(__doc__, act)

"""(5) Human in the loop: a draft waits for approval, is kept in a checkpoint, and goes on from there.

python -m for_agents.examples.human --sandbox
"""

import secrets
import tempfile
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, StateGraph
from langgraph.types import Command, interrupt

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import go_on, money, play, say, show
from for_agents.llm_node import AgentState, make_llm_node


def approve(state: AgentState) -> dict[str, Any]:
    """Stops the graph until somebody has read the draft."""
    said = interrupt({"draft": state["response"], "question": "send it?"})
    return {"messages": [{"role": "user", "content": f"The reviewer says: {said}. Write the final version."}]}


async def act(client: GatewayClient) -> None:
    """Runs to the interrupt, ends, and resumes with a fresh graph on the same checkpoint."""
    thread = {"configurable": {"thread_id": f"letter-{secrets.token_hex(4)}"}}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "checkpoints.db")
        async with AsyncSqliteSaver.from_conn_string(file) as saver:
            question = {"role": "user", "content": "Draft a letter that cancels our order of peas."}
            await show(graph_with(saver, client), {"messages": [question], "model": "nova-lite"}, thread)
            say("\nwaiting for approval …")
        async with AsyncSqliteSaver.from_conn_string(file) as saver:
            last = await go_on(graph_with(saver, client), Command(resume="yes, but kinder"), thread)
    say(f"{len(last['messages'])} messages, in all {money(last['total_cost_usd'])}")


def graph_with(saver: AsyncSqliteSaver, client: GatewayClient) -> Any:
    """Draft, approval, final version."""
    workflow = StateGraph(AgentState)
    workflow.add_node("draft", make_llm_node(client=client))
    workflow.add_node("approve", approve)
    workflow.add_node("final", make_llm_node(client=client))
    workflow.set_entry_point("draft")
    workflow.add_edge("draft", "approve")
    workflow.add_edge("approve", "final")
    workflow.add_edge("final", END)
    return workflow.compile(checkpointer=saver)


if __name__ == "__main__":
    play(__doc__, act)

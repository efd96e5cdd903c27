"""Agent B: one model, chosen here: claude-haiku-4-5.

python -m for_agents.examples.agent_b --sandbox
"""

from langgraph.graph import END, StateGraph

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import play, show
from for_agents.llm_node import AgentState, make_llm_node

MODEL = "claude-haiku-4-5"


async def act(client: GatewayClient) -> None:
    """Asks its model for a careful answer."""
    workflow = StateGraph(AgentState)
    workflow.add_node("agent_b", make_llm_node(MODEL, agent="agent-b", client=client))
    workflow.set_entry_point("agent_b")
    workflow.add_edge("agent_b", END)
    question = {"role": "user", "content": "What does an agent cost? Give a careful answer."}
    await show(workflow.compile(), {"messages": [question]})


if __name__ == "__main__":
    play(__doc__, act)

"""Agent A: one model, chosen here: nova-lite.

python -m for_agents.examples.agent_a --sandbox
"""

from langgraph.graph import END, StateGraph

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import play, show
from for_agents.llm_node import AgentState, make_llm_node

MODEL = "nova-lite"


async def act(client: GatewayClient) -> None:
    """Asks its model for a brief answer."""
    workflow = StateGraph(AgentState)
    workflow.add_node("agent_a", make_llm_node(MODEL, agent="agent-a", client=client))
    workflow.set_entry_point("agent_a")
    workflow.add_edge("agent_a", END)
    question = {"role": "user", "content": "What does an agent cost? Give a brief answer."}
    await show(workflow.compile(), {"messages": [question]})


if __name__ == "__main__":
    play(__doc__, act)

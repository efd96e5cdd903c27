"""Agent C: one model, chosen here: nova-pro.

python -m for_agents.examples.agent_c --sandbox
"""

from langgraph.graph import END, StateGraph

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import play, show
from for_agents.llm_node import AgentState, make_llm_node

MODEL = "nova-pro"


async def act(client: GatewayClient) -> None:
    """Asks its model for a second opinion."""
    workflow = StateGraph(AgentState)
    workflow.add_node("agent_c", make_llm_node(MODEL, agent="agent-c", client=client))
    workflow.set_entry_point("agent_c")
    workflow.add_edge("agent_c", END)
    question = {"role": "user", "content": "What does an agent cost? Give a second opinion."}
    await show(workflow.compile(), {"messages": [question]})


if __name__ == "__main__":
    play(__doc__, act)

"""(1) One node: a question, an answer, its cost.

python -m for_agents.examples.one_node --sandbox
"""

from langgraph.graph import END, StateGraph

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import play, show
from for_agents.llm_node import AgentState, make_llm_node


async def act(client: GatewayClient) -> None:
    """Builds the graph and runs it."""
    workflow = StateGraph(AgentState)
    workflow.add_node("llm", make_llm_node(client=client))
    workflow.set_entry_point("llm")
    workflow.add_edge("llm", END)
    question = {"role": "user", "content": "Why is the sky blue?"}
    await show(workflow.compile(), {"messages": [question], "model": "nova-pro"})


if __name__ == "__main__":
    play(__doc__, act)

"""(2) Router: a cheap model triages, and only what is hard goes to a strong one.

python -m for_agents.examples.router --sandbox
"""

from langgraph.graph import END, StateGraph

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import money, play, say, show
from for_agents.llm_node import AgentState, make_llm_node

QUESTIONS = ("Say: easy. How many days has a week?", "Say: hard. Prove that there is no largest prime number.")


async def act(client: GatewayClient) -> None:
    """Asks both questions, each by the way that the triage finds."""
    workflow = StateGraph(AgentState)
    triage = "Answer with one word: easy, or hard if the question needs thought."
    workflow.add_node("triage", make_llm_node("nova-micro", system=triage, client=client, max_tokens=20))
    workflow.add_node("quick", make_llm_node("nova-lite", client=client))
    workflow.add_node("thorough", make_llm_node("claude-sonnet-4-5", client=client))
    workflow.set_entry_point("triage")
    workflow.add_conditional_edges(
        "triage", lambda state: "thorough" if "hard" in state["response"].lower() else "quick", ["quick", "thorough"]
    )
    workflow.add_edge("quick", END)
    workflow.add_edge("thorough", END)
    graph = workflow.compile()
    for question in QUESTIONS:
        last = await show(graph, {"messages": [{"role": "user", "content": question}]})
        say(f"in all {money(last['total_cost_usd'])}\n")


if __name__ == "__main__":
    play(__doc__, act)

"""(3) ReAct: the model calls tools until it knows enough.

python -m for_agents.examples.react --sandbox
"""

from langchain_core.tools import tool
from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from for_agents.bedrock_client import GatewayClient
from for_agents.examples.stage import money, play, say, show
from for_agents.llm_node import AgentState, make_llm_node


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny and 21 degrees in {city}"


async def act(client: GatewayClient) -> None:
    """One question that needs the tool."""
    workflow = StateGraph(AgentState)
    workflow.add_node("llm", make_llm_node("claude-haiku-4-5", tools=[weather], client=client))
    workflow.add_node("tools", ToolNode([weather]))
    workflow.set_entry_point("llm")
    workflow.add_conditional_edges("llm", tools_condition)
    workflow.add_edge("tools", "llm")
    question = {"role": "user", "content": "Use the tool weather: what is it like in Paris?"}
    last = await show(workflow.compile(), {"messages": [question]})
    for message in last["messages"]:
        for call in getattr(message, "tool_calls", ()):
            say(f"called {call['name']}({call['args']})")
    say(f"in all {money(last['total_cost_usd'])}")


if __name__ == "__main__":
    play(__doc__, act)

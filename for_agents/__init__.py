"""LangGraph nodes and clients for llm-gateway. Speaks MCP only, and needs nothing of the gateway itself."""

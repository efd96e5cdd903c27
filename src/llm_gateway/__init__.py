"""llm-gateway: every Amazon Bedrock model through one door."""

__version__ = "0.1.0"

"""Bedrock on your own machine: speaks the runtime wire, imports nothing of the gateway."""

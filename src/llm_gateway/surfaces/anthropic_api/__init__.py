"""The Anthropic-compatible door: messages and their counting. Decode, ask, encode."""

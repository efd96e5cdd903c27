"""A configuration of LiteLLM's proxy turned into a gateway file, with a word on all that is not as it was."""

"""The OpenAI-compatible door: chat completions, embeddings, models. Decode, ask, encode."""

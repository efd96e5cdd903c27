"""Holds what a client got to OpenAI's published form: the schemas of ``tests/openai_api`` and OpenAI's own types."""

from listener import Exchange
from published import CHAT_COMPLETION, CHUNK, EMBEDDINGS, ERROR, MODELS, check


def check_form(exchange: Exchange) -> None:
    """Every answer, every chunk and every error on a path of OpenAI's."""
    path = exchange.path.partition("?")[0]
    if exchange.status >= 400:
        if not path.startswith("/v1/messages"):
            check(exchange.answer, ERROR)
    elif path == "/v1/models":
        check(exchange.answer, MODELS)
    elif path == "/v1/embeddings":
        check(exchange.answer, EMBEDDINGS)
    elif path == "/v1/chat/completions" and exchange.is_stream:
        _check_stream(exchange)
    elif path == "/v1/chat/completions":
        check(exchange.answer, CHAT_COMPLETION)


def _check_stream(exchange: Exchange) -> None:
    """The role first, one reason for the end at the end, ``[DONE]`` after a whole answer; else an error is last."""
    chunks = exchange.events
    is_whole = exchange.body.endswith(b"data: [DONE]\n\n")
    if not is_whole:
        check(chunks.pop(), ERROR)
    for chunk in chunks:
        check(chunk, CHUNK)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"].get("role") for choice in choices] == ["assistant", *[None] * (len(choices) - 1)]
    finishes = [choice["finish_reason"] for choice in choices]
    assert finishes[:-1] == [None] * (len(choices) - 1)
    assert (finishes[-1] is not None) == is_whole

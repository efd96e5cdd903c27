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
    *chunks, last = exchange.events
    is_whole = exchange.body.endswith(b"data: [DONE]\n\n")
    for chunk in [*chunks, last] if is_whole else chunks:
        check(chunk, CHUNK)
    if not is_whole:
        check(last, ERROR)

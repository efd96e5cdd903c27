"""Holds what a client got to OpenAI's published form: the schemas of ``tests/openai_api`` and OpenAI's own types."""

from jsonschema import Draft202012Validator
from listener import Exchange
from published import CHAT_COMPLETION, CHUNK, ERROR, MODELS


def check_form(exchange: Exchange) -> None:
    """Every answer, every chunk and every error on a path of OpenAI's."""
    path = exchange.path.partition("?")[0]
    if exchange.status >= 400:
        if not path.startswith("/v1/messages"):
            _is(exchange.answer, ERROR)
    elif path == "/v1/models":
        _is(exchange.answer, MODELS)
    elif path == "/v1/chat/completions" and exchange.is_stream:
        _check_stream(exchange)
    elif path == "/v1/chat/completions":
        _is(exchange.answer, CHAT_COMPLETION)
        _is_openais(exchange.answer, "ChatCompletion")


def _check_stream(exchange: Exchange) -> None:
    *chunks, last = exchange.events
    is_whole = exchange.body.endswith(b"data: [DONE]\n\n")
    for chunk in [*chunks, last] if is_whole else chunks:
        _is(chunk, CHUNK)
        _is_openais(chunk, "ChatCompletionChunk")
    if not is_whole:
        _is(last, ERROR)


def _is(value: object, schema: dict[str, object]) -> None:
    Draft202012Validator(schema).validate(value)


def _is_openais(value: object, name: str) -> None:
    """OpenAI's types are made from its specification; strictly, so that no word passes for a number."""
    from openai.types import chat

    getattr(chat, name).model_validate(value, strict=True)

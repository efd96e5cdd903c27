"""A call to the 32 bytes it is remembered under. Pure: equal calls give equal bytes, in every process.

Every member of the request counts but the caller's word for the model (the invoked id counts instead) and the
cache mode. Numbers are compared as numbers: the surfaces make temperature and top_p floats.
"""

from hashlib import sha256

import orjson

from llm_gateway.domain.requests import ModelCall

_VERSION = 1  # raise it when an equal request may give a different answer


def fingerprint(call: ModelCall) -> bytes:
    """SHA-256 over the canonical JSON of everything that decides the answer."""
    request = call.request
    decisive = (
        _VERSION,
        call.model.invoked_id,
        request.system,
        request.messages,
        request.temperature,
        request.top_p,
        request.max_tokens,
        request.stop_sequences,
        request.tools,
        request.tool_choice,
        request.extra_fields,
    )
    return sha256(orjson.dumps(decisive, option=orjson.OPT_SORT_KEYS)).digest()

"""A call to the 32 bytes it is remembered under. Pure: equal calls give equal bytes, in every process.

Every member of the request counts but the caller's word for the model (the invoked id counts instead) and the
cache mode. Numbers are compared as numbers: the surfaces make temperature and top_p floats.
"""

from dataclasses import fields
from hashlib import sha256
from operator import attrgetter

import orjson

from llm_gateway.domain.requests import GenerateRequest, ModelCall

_VERSION = 1  # raise it when an equal request may give a different answer
_decisive = attrgetter(*[field.name for field in fields(GenerateRequest) if field.name not in ("model", "cache")])


def fingerprint(call: ModelCall, scope: str = "") -> bytes:
    """SHA-256 over the canonical JSON of everything that decides the answer, and of whose it is."""
    decisive = (_VERSION, scope, call.model.invoked_id, _decisive(call.request))
    return sha256(orjson.dumps(decisive, option=orjson.OPT_SORT_KEYS)).digest()

"""What may be tried after each fault of Bedrock: the matrix of faults as a table. Pure.

What is not in it gets the remedy of its class (:mod:`llm_gateway.domain.errors`).
"""

from collections.abc import Mapping

from llm_gateway.domain.errors import GatewayError
from llm_gateway.domain.remedies import (
    ANOTHER,
    BROKEN,
    BUSY,
    NOT_READY,
    NOTHING,
    ONCE_MORE,
    REFUSED,
    SILENT,
    THROTTLED,
    Remedy,
)

_BY_KIND: Mapping[str, Remedy] = {
    "servicequotaexceeded": ANOTHER,
    "serviceunavailable": BUSY,
    "modelnotready": NOT_READY,
    "resourcenotfound": ANOTHER,
    "modeltimeout": SILENT,
    "gatewaytimeout": BROKEN,
    "modelerror": ONCE_MORE,
    "modelstreamerror": ONCE_MORE,
    "nowhere": REFUSED,
}
_BY_CODE: Mapping[str, Remedy] = {
    "upstream_quota_exceeded": ANOTHER,
    "model_not_found": ANOTHER,
    "context_length_exceeded": NOTHING,
}


def remedy_of(kind: str, message: str, error: GatewayError) -> Remedy:
    """For a fault by its name in lower case and Bedrock's words, and our error for it."""
    if kind == "serviceunavailable" and "connections" in message:  # of a throttle, under another name
        return THROTTLED
    if kind == "validation" and "on-demand throughput" in message:
        return ANOTHER
    return _BY_CODE.get(error.code) or _BY_KIND.get(kind) or error.remedy

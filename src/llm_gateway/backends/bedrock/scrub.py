"""Takes out of a recorded exchange whose it was: account numbers, identities, headers that name a machine. Pure.

Prompts and answers stay: they are what a recording is for. Numbers and names are replaced by others of the same length,
so that binary frames keep theirs; a frame that changed gets new checksums.
"""

import re
import struct
from collections.abc import Mapping
from zlib import crc32

STANDARD_ACCOUNT = "111122223333"
"""The account number AWS uses in its documentation."""

_ACCOUNT_IN_ARN = re.compile(
    rb"arn(?::|%3[Aa])aws[a-z-]*(?::|%3[Aa])[a-z0-9-]*(?::|%3[Aa])[a-z0-9-]*(?::|%3[Aa])(\d{12})"
)
_WHO = re.compile(rb"(arn:aws[a-z-]*:(?:sts|iam|organizations)::\d{12}:[a-z-]+/)([^\s\"'\\,<>]+)")
_KEY = re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_REQUEST_HEADERS = frozenset({"content-type", "content-length", "accept"})
_RESPONSE_HEADERS = frozenset(
    {"content-type", "content-length", "transfer-encoding", "date", "x-amzn-requestid", "x-amzn-errortype"}
)
_BEDROCK_HEADERS = "x-amzn-bedrock-"


def accounts_in(*texts: bytes) -> frozenset[bytes]:
    """The account numbers that stand in ARNs, plain or percent-encoded."""
    found = {number for text in texts for number in _ACCOUNT_IN_ARN.findall(text)}
    return frozenset(found - {STANDARD_ACCOUNT.encode(), b"0" * 12})


def scrub_text(text: bytes, accounts: frozenset[bytes]) -> bytes:
    """The text with every one of these accounts, every role, user and access key replaced; it keeps its length."""
    text = _WHO.sub(lambda found: found[1] + b"x" * len(found[2]), text)
    text = _KEY.sub(lambda found: b"AKIA" + b"X" * (len(found[0]) - 4), text)
    for account in accounts:
        text = text.replace(account, STANDARD_ACCOUNT.encode())
    return text


def scrub_frames(data: bytes, accounts: frozenset[bytes]) -> bytes:
    """The same for an event stream, with checksums that fit; what is no whole frame stays out."""
    kept: list[bytes] = []
    at = 0
    while len(data) - at >= 16:
        total, headers_bytes = struct.unpack_from(">II", data, at)
        if total < 16 + headers_bytes or len(data) - at < total:
            break
        inner = scrub_text(data[at + 12 : at + total - 4], accounts)
        message = data[at : at + 12] + inner
        kept.append(message + struct.pack(">I", crc32(message)))
        at += total
    return b"".join(kept)


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that say something about it, in lower case; no key, no address, no user agent."""
    return _kept(headers, _REQUEST_HEADERS)


def response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that belong to Bedrock."""
    return _kept(headers, _RESPONSE_HEADERS)


def _kept(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name in names or name.startswith(_BEDROCK_HEADERS)}

"""Signs requests: Signature Version 4 with everything kept that can be kept, or a bearer token. Never sends.

The signing key holds for a day, the time string for a second, the canonical path for a model. The result is byte for
byte what botocore's SigV4Auth writes. The path goes into the signature encoded once more than on the wire.
"""

import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote

SERVICE = "bedrock"
CONTENT_TYPE = "application/json"
_PATHS_LIMIT = 1_024


class Signer(Protocol):
    """Gives the headers of a POST with a JSON body."""

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """``path`` as on the wire: percent-encoded, without a query."""
        ...


class BearerSigner:
    """A Bedrock API key."""

    def __init__(self, token: str) -> None:
        self._authorization = f"Bearer {token}"

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Does not depend on the request."""
        return {"Content-Type": CONTENT_TYPE, "Authorization": self._authorization}


class SigV4Signer:
    """One set of credentials for one host and region. ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        *,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None,
        region: str,
        host: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access_key_id = access_key_id
        self._secret = f"AWS4{secret_access_key}".encode()
        self._session_token = session_token
        self._region = region
        self._clock = clock
        self._head = f"content-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:"
        token_line = f"\nx-amz-security-token:{' '.join(session_token.split())}" if session_token else ""
        self._signed_headers = "content-type;host;x-amz-date" + (";x-amz-security-token" if session_token else "")
        self._tail = f"{token_line}\n\n{self._signed_headers}\n"
        self._second = -1
        self._time = ""
        self._day: str = ""
        self._scope = ""
        self._key = b""
        self._authorization = ""
        self._canonical_paths: dict[str, str] = {}

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """The signed headers and the signature; ``Host`` is left to the HTTP client."""
        second = int(self._clock())
        if second != self._second:
            self._turn_clock(second)
        canonical = self._canonical_paths.get(path) or self._remember(path)
        request = f"{canonical}{self._head}{self._time}{self._tail}{sha256(body).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{self._time}\n{self._scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        signed = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": self._time,
            "Authorization": f"{self._authorization}{signature}",
        }
        if self._session_token:
            signed["X-Amz-Security-Token"] = self._session_token
        return signed

    def _remember(self, path: str) -> str:
        if len(self._canonical_paths) >= _PATHS_LIMIT:
            self._canonical_paths.clear()
        canonical = self._canonical_paths[path] = f"POST\n{quote(path, safe='/~')}\n\n"
        return canonical

    def _turn_clock(self, second: int) -> None:
        self._second = second
        self._time = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day: str = self._time[:8]
        if day != self._day:
            self._day = day
            self._scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
            key = self._secret
            for part in (day, self._region, SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = key
            self._authorization = (
                f"AWS4-HMAC-SHA256 Credential={self._access_key_id}/{self._scope}, "
                f"SignedHeaders={self._signed_headers}, Signature="
            )

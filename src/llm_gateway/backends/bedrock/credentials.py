"""Where AWS is and who we are there: the whole default chain of AWS, asked through botocore, never on the event loop.

botocore reads files, starts programs and calls other services while it looks for credentials, so everything here that
touches it runs in a thread. It is imported only then, and not at all when every fact was given by hand.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_gateway.backends.bedrock.signer import BearerSigner, Signer, SigV4Signer

if TYPE_CHECKING:
    from llm_gateway.backends.bedrock.aws_session import AwsSession

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOK_EVERY_S = 20.0
"""How often it is asked whether credentials are near their end; the answer comes from memory."""
_REFRESH_AHEAD_S = 900.0
_MUST_REFRESH_S = 60.0


class NoAccess(Exception):
    """There is no usable identity or endpoint; the message says how to mend it and holds no secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """Everything a request needs beside its body. ``endpoint`` has no slash at its end; ``path_prefix`` is its path.

    ``proxy`` is the address of the proxy for this endpoint, ``tls`` the verification for https.
    """

    endpoint: str
    region: str
    signer: Signer
    path_prefix: str = ""
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWish:
    """What is given by hand; ``None`` leaves it to AWS's chain."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    bearer_token: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask AWS's chain for: a plain loopback endpoint, a region and an identity."""
        named = self.bearer_token or (self.access_key_id and self.secret_access_key)
        return bool(named and self.region and self.endpoint_url and is_plain_loopback(self.endpoint_url))


class AccessKeeper:
    """Gives the access of the moment; renews it ahead of its end, in a thread, one renewal at a time.

    ``look`` makes the session that is asked, in that thread; without it, one of the wish.
    """

    def __init__(
        self,
        wish: AccessWish,
        *,
        look: "Callable[[], AwsSession] | None" = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._wish = wish
        self._look = look
        self._clock = clock
        self._wall_clock = wall_clock
        self._skew_s = 0.0
        self._access: Access | None = None
        self._session: AwsSession | None = None
        self._look_at = 0.0
        self._renewal: asyncio.Task[Access] | None = None

    async def access(self) -> Access:
        """The access to use now.

        Raises:
            NoAccess: no credentials, or none that can be used.
        """
        access = self._access
        if access is None:
            return await asyncio.shield(self._renewing(fresh=False))
        if self._session is None or self._clock() < self._look_at:
            return access
        self._look_at = self._clock() + _LOOK_EVERY_S
        if self._session.ends_within(_MUST_REFRESH_S):
            return await asyncio.shield(self._renewing(fresh=False))
        if self._session.ends_within(_REFRESH_AHEAD_S):
            self._renewing(fresh=False)
        return access

    async def renewed(self, refused: Access) -> Access:
        """Access after AWS refused this one: everything is looked up again, files too; once for all who ask at once.

        Raises:
            NoAccess: as :meth:`access`.
        """
        if self._access is not None and self._access is not refused:
            return self._access  # somebody else's renewal came first
        return await asyncio.shield(self._renewing(fresh=True))

    def correct_clock(self, server_now_s: float) -> None:
        """Signs by the server's clock from now on; ``server_now_s`` is seconds since the epoch."""
        self._skew_s = server_now_s - self._wall_clock()

    def signing_time_s(self) -> float:
        """Seconds since the epoch, by the server's clock as far as it is known."""
        return self._wall_clock() + self._skew_s

    def _renewing(self, *, fresh: bool) -> asyncio.Task[Access]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._renew(fresh))
            self._renewal.add_done_callback(_look_at_outcome)
        return self._renewal

    async def _renew(self, fresh: bool) -> Access:
        if self._look is None and self._wish.is_complete:
            access = self._by_hand()
        else:
            access, self._session = await asyncio.to_thread(self._look_up, fresh)
        self._access = access
        self._look_at = self._clock() + _LOOK_EVERY_S
        return access

    def _look_up(self, fresh: bool) -> "tuple[Access, AwsSession]":
        """In a thread."""
        from llm_gateway.backends.bedrock.aws_session import AwsSession  # botocore takes 0.2 s to load

        session = self._session
        if session is None:
            session = self._look() if self._look is not None else AwsSession(self._wish)
        elif fresh:
            session = session.anew()
        place = session.place()
        identity = session.identity()
        signer = self._signer(identity, endpoint=place.endpoint, region=place.region)
        return (
            Access(
                endpoint=place.endpoint,
                region=place.region,
                signer=signer,
                path_prefix=urlsplit(place.endpoint).path.rstrip("/"),
                proxy=place.proxy,
                tls=place.tls,
            ),
            session,
        )

    def _by_hand(self) -> Access:
        wish = self._wish
        endpoint, region = (wish.endpoint_url or "").rstrip("/"), wish.region or ""
        identity = Identity(wish.bearer_token, wish.access_key_id, wish.secret_access_key, wish.session_token)
        signer = self._signer(identity, endpoint=endpoint, region=region)
        return Access(endpoint, region, signer, path_prefix=urlsplit(endpoint).path.rstrip("/"))

    def _signer(self, identity: "Identity", *, endpoint: str, region: str) -> Signer:
        if not identity.fits_headers:
            raise NoAccess("the AWS credentials hold characters that no header can; look for a line break in them")
        if identity.bearer_token:
            if endpoint.startswith("http:") and not is_plain_loopback(endpoint):
                raise NoAccess(
                    "a Bedrock API key (AWS_BEARER_TOKEN_BEDROCK) is sent over https only; "
                    "the endpoint URL is plain http"
                )
            return BearerSigner(identity.bearer_token)
        if not identity.access_key_id or not identity.secret_access_key:
            raise NoAccess("no AWS credentials were found")
        return SigV4Signer(
            access_key_id=identity.access_key_id,
            secret_access_key=identity.secret_access_key,
            session_token=identity.session_token,
            region=region,
            host=host_header(endpoint),
            clock=self.signing_time_s,
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """A bearer token or a set of keys. Its text shows nothing of them."""

    bearer_token: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    @property
    def fits_headers(self) -> bool:
        """Whether what goes into headers can be sent there; the secret itself never is."""
        return all(
            text is None or (text.isascii() and text.isprintable())
            for text in (self.bearer_token, self.access_key_id, self.session_token)
        )

    def __repr__(self) -> str:
        return f"Identity({'bearer token' if self.bearer_token else 'keys'})"


def host_header(endpoint: str) -> str:
    """The Host header of an endpoint: lower case, without a port that its scheme implies."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    implied = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, implied) else f"{host}:{parts.port}"


def is_plain_loopback(endpoint: str) -> bool:
    """Whether this is http on this very machine."""
    parts = urlsplit(endpoint)
    return parts.scheme == "http" and (parts.hostname or "") in LOOPBACK


def _look_at_outcome(renewal: asyncio.Task[Access]) -> None:
    """A renewal ahead of time may fail unseen; the one that is waited for raises."""
    if not renewal.cancelled():
        renewal.exception()

"""botocore's session, asked for three things: who we are, where Bedrock is, and how to get there. Blocks: thread only.

botocore is imported here and nowhere else in the way of a request.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# botocore ships no types; what comes out of it is cast at once.

import ssl
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import botocore.exceptions
import botocore.httpsession
import botocore.session
import botocore.tokens
from botocore.config import Config

from llm_gateway.backends.bedrock.credentials import LOOPBACK, AccessWish, Identity, NoAccess

_DEFAULT_REGION = "us-east-1"
_HOW_TO_MEND = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK, check with "
    "`llm-gateway doctor`, or try `llm-gateway sandbox`, which needs none"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go. ``tls`` is ``None`` for plain http."""

    endpoint: str
    region: str
    proxy: str | None
    tls: ssl.SSLContext | None


class AwsSession:
    """One look at AWS's configuration and environment; a new one sees what has changed since."""

    def __init__(self, wish: AccessWish) -> None:
        self._wish = wish
        self._session: Any = botocore.session.Session(profile=wish.profile)
        self._credentials: Any = None

    def anew(self) -> "AwsSession":
        """Another look at everything, after AWS refused what this one found."""
        return AwsSession(self._wish)

    def ends_within(self, seconds: float) -> bool:
        """Whether the credentials end that soon. From memory, fit for the event loop."""
        needed = getattr(self._credentials, "refresh_needed", None)
        return bool(needed and needed(seconds))

    def identity(self) -> Identity:
        """Who we are; renews credentials that are near their end.

        Raises:
            NoAccess: nothing was found, or it could not be renewed.
        """
        wish = self._wish
        if wish.bearer_token or (wish.access_key_id and wish.secret_access_key):
            return Identity(wish.bearer_token, wish.access_key_id, wish.secret_access_key, wish.session_token)
        try:
            token = cast("Any", botocore.tokens.ScopedEnvTokenProvider(self._session)).load_token(
                signing_name="bedrock"
            )
            if token is not None:  # not get_auth_token: that would take an SSO token for a Bedrock key
                return Identity(bearer_token=cast("str", token.token))
            self._credentials = self._credentials or self._session.get_credentials()
            if self._credentials is None:
                raise NoAccess(f"no AWS credentials were found: {_HOW_TO_MEND}")
            frozen = self._credentials.get_frozen_credentials()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError, ValueError) as fault:
            raise NoAccess(_explained(fault)) from fault
        return Identity(None, frozen.access_key, frozen.secret_key, frozen.token)

    def place(self) -> Place:
        """Where Bedrock's runtime is, with AWS's own rules: endpoint variables, profile, FIPS, dual stack.

        Raises:
            NoAccess: the configuration cannot be read.
        """
        wish = self._wish
        try:
            region = wish.region or self._session.get_config_variable("region") or _DEFAULT_REGION
            client = self._session.create_client(
                "bedrock-runtime",
                region_name=region,
                endpoint_url=wish.endpoint_url,
                aws_access_key_id="-",  # only the address is wanted; nothing is signed with these
                aws_secret_access_key="-",  # noqa: S106 - no secret
                config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
            )
            endpoint = cast("str", client.meta.endpoint_url).rstrip("/")
            bundle = cast("str | None", self._session.get_config_variable("ca_bundle"))
            tls = _tls(bundle) if endpoint.startswith("https:") else None
            return Place(endpoint, cast("str", client.meta.region_name), _proxy(endpoint), tls)
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as fault:
            raise NoAccess(_explained(fault)) from fault


def _tls(bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError as fault:  # ssl.SSLError is one
        raise NoAccess("the CA bundle (AWS_CA_BUNDLE) cannot be read") from fault
    if bundle is None and not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(cafile=cast("Any", botocore.httpsession).get_cert_path(True))
    return context


def _proxy(endpoint: str) -> str | None:
    """The environment's proxy for this address; none for this very machine."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def _explained(fault: Exception) -> str:
    """Our words for what botocore ran into; its own may hold addresses and paths."""
    told = type(fault).__name__
    if isinstance(fault, botocore.exceptions.ProfileNotFound):
        return f"the AWS profile {fault.kwargs.get('profile')!r} is not in the AWS configuration; check AWS_PROFILE"
    if isinstance(fault, botocore.exceptions.SSOError):
        return "the AWS SSO session has ended or cannot be used: run `aws sso login`"
    if isinstance(fault, botocore.exceptions.TokenRetrievalError):
        return "the AWS SSO token cannot be renewed: run `aws sso login`"
    if isinstance(fault, botocore.exceptions.PartialCredentialsError):
        return f"the AWS credentials are only half there: {_HOW_TO_MEND}"
    return f"the AWS credentials or settings cannot be used ({told}): {_HOW_TO_MEND}"

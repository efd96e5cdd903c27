"""Credentials under a role of another account, by AWS's STS. Blocks: thread only; loaded when first needed."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# botocore ships no types; what comes out of it is cast at once.

import time
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple, cast

import botocore.exceptions
import botocore.session
from botocore.config import Config

from llm_gateway.backends.bedrock.aws_session import AwsSession, Place
from llm_gateway.backends.bedrock.credentials import AccessWish, Identity, NoAccess
from llm_gateway.domain.routes import Account

SESSION_NAME = "llm-gateway"
_REFRESH_AHEAD_S = 900.0
_MOST_TAGS = 50
_LONGEST_KEY, _LONGEST_VALUE = 128, 256
_OUR_OWN = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)


class _Lent(NamedTuple):
    identity: Identity
    ends_at_s: float


class Role:
    """One role with one set of tags. Its credentials are good for every region, so all of its sessions share them."""

    def __init__(
        self,
        wish: AccessWish,
        account: Account,
        tags: Iterable[tuple[str, str]],
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._wish = wish
        self._account = account
        self._tags = clean_tags(tags)
        self._wall_clock = wall_clock
        self._lock = Lock()
        self._lent: _Lent | None = None

    def ends_within(self, seconds: float) -> bool:
        """Whether the credentials end that soon. From memory, fit for the event loop."""
        return self._lent is not None and self._lent.ends_at_s - self._wall_clock() < seconds

    def identity(self) -> Identity:
        """The role's credentials, new ones where these are near their end.

        Raises:
            NoAccess: AWS does not lend them, or could not be asked.
        """
        with self._lock:
            if self._lent is None or self.ends_within(_REFRESH_AHEAD_S):
                self._lent = self._assume()
            return self._lent.identity

    def forget(self, refused: Identity | None) -> None:
        """After AWS refused these; others that came meanwhile are kept."""
        with self._lock:
            if self._lent is not None and self._lent.identity is refused:
                self._lent = None

    def _assume(self) -> _Lent:
        account = self._account
        wanted: dict[str, object] = {"RoleArn": account.role_arn, "RoleSessionName": SESSION_NAME}
        if account.external_id is not None:
            wanted["ExternalId"] = account.external_id
        if self._tags:
            wanted["Tags"] = [{"Key": key, "Value": value} for key, value in self._tags]
        try:
            client = self._sts()
            try:
                lent = cast("dict[str, Any]", client.assume_role(**wanted))["Credentials"]
            finally:
                client.close()
        except botocore.exceptions.ClientError as fault:
            raise NoAccess(self._refused(cast("Any", fault).response)) from fault
        except botocore.exceptions.ParamValidationError as fault:
            raise NoAccess(
                f"{self._what}: role_arn or external_id is not of AWS's form; see the gateway file"
            ) from fault
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as fault:
            raise NoAccess(
                f"{self._what}: AWS STS could not be asked ({type(fault).__name__}); check the gateway's own AWS "
                "credentials, the network, the region and AWS_ENDPOINT_URL_STS"
            ) from fault
        identity = Identity(None, lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
        return _Lent(identity, cast("datetime", lent["Expiration"]).timestamp())

    def _sts(self) -> Any:
        """A client of STS by AWS's own rules, as whom the gateway itself is."""
        wish = self._wish
        session: Any = botocore.session.Session(profile=wish.profile)
        given = bool(wish.access_key_id and wish.secret_access_key)
        if not given and session.get_credentials() is None:
            raise NoAccess(
                f"{self._what}: a role is assumed with AWS credentials, and none were found (a Bedrock API key is not "
                "enough); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        return session.create_client(
            "sts",
            region_name=wish.region or session.get_config_variable("region") or "us-east-1",
            aws_access_key_id=wish.access_key_id if given else None,
            aws_secret_access_key=wish.secret_access_key if given else None,
            aws_session_token=wish.session_token if given else None,
            config=Config(retries={"total_max_attempts": 2, "mode": "standard"}, connect_timeout=5, read_timeout=10),
        )

    def _refused(self, answer: dict[str, Any]) -> str:
        code = str(answer.get("Error", {}).get("Code", "unknown"))
        if code in _OUR_OWN:
            return f"{self._what}: AWS STS refused the gateway's own credentials ({code}); run `llm-gateway doctor`"
        if code == "AccessDenied":
            return (
                f"{self._what}: AWS does not lend it. The role's trust policy must allow sts:AssumeRole and "
                "sts:TagSession to the gateway's own identity, under the external id that the gateway file has for "
                "this account; and the gateway's own policy must allow the same on the role"
            )
        if code in ("PackedPolicyTooLarge", "PackedPolicyTooLargeException"):
            return f"{self._what}: the session tags are too long together; name fewer in the account's session_tags"
        return f"{self._what}: AWS STS answered {code}; check the account's role_arn, external_id and session_tags"

    @property
    def _what(self) -> str:
        return f"the role {self._account.role_arn} of the account {self._account.name!r} cannot be assumed"


class RoleSession(AwsSession):
    """A region's Bedrock, asked under a role."""

    def __init__(self, wish: AccessWish, role: Role, addresses: dict[str | None, Place]) -> None:
        """``addresses`` are shared with the sessions of other roles: to look one up takes 50 ms."""
        super().__init__(wish)
        self._role = role
        self._addresses = addresses
        self._given: Identity | None = None

    def anew(self) -> "RoleSession":
        """Another look; what was lent last is forgotten."""
        self._role.forget(self._given)
        self._addresses.pop(self._wish.region, None)
        return RoleSession(self._wish, self._role, self._addresses)

    def ends_within(self, seconds: float) -> bool:
        """See :class:`AwsSession`."""
        return self._role.ends_within(seconds)

    def identity(self) -> Identity:
        """See :class:`AwsSession`."""
        self._given = self._role.identity()
        return self._given

    def place(self) -> Place:
        """See :class:`AwsSession`; looked up once."""
        found = self._addresses.get(self._wish.region)
        if found is None:
            found = self._addresses[self._wish.region] = super().place()
        return found


def clean_tags(tags: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """As STS takes them: other characters become ``_``, the rest is cut off; keys differ by more than their case."""
    cleaned: dict[str, tuple[str, str]] = {}
    for key, value in tags:
        key, value = _clean(key, _LONGEST_KEY), _clean(value, _LONGEST_VALUE)
        if key and len(cleaned) < _MOST_TAGS:
            cleaned.setdefault(key.lower(), (key, value))
    return tuple(cleaned.values())


def _clean(text: str, longest: int) -> str:
    fit = "".join([each if each in "_.:/=+-@" or unicodedata.category(each)[0] in "LZN" else "_" for each in text])
    return (f"aws_{fit[4:]}" if fit.lower().startswith("aws:") else fit)[:longest]

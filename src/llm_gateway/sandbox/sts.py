"""STS's AssumeRole, as much of it as a gateway asks: temporary credentials, by which a request is known later.

Nothing is verified but the external id, and whether a role may be had: one with `denied` in its name may not.
"""

import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from llm_gateway.sandbox.asked import check_credential, credential_of, region_of
from llm_gateway.sandbox.plays import Play, whole
from llm_gateway.sandbox.refusals import Refused, denied
from llm_gateway.sandbox.wire_json import Json

OWN_ACCOUNT = "111122223333"
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]{1,64})")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG = re.compile(r"Tags\.member\.(\d+)\.(Key|Value)")
_MOST_SESSIONS = 10_000
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """One AssumeRole. `error` is AWS's code where it was refused, else `key_id` is what was lent until `ends_at`."""

    role_arn: str
    session_name: str
    asked_by: str | None
    region: str | None
    external_id_given: bool
    tags: dict[str, str] = field(default_factory=dict[str, str])
    error: str | None = None
    key_id: str | None = None
    token: str | None = field(default=None, repr=False)
    ends_at: datetime | None = None

    @property
    def account(self) -> str:
        found = _ROLE.fullmatch(self.role_arn)
        return found.group(1) if found else OWN_ACCOUNT

    @property
    def session_arn(self) -> str:
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_arn.rpartition('/')[2]}/{self.session_name}"

    def as_json(self) -> Json:
        shown = (
            "role_arn",
            "session_name",
            "asked_by",
            "region",
            "external_id_given",
            "tags",
            "error",
            "key_id",
            "ends_at",
        )
        return {name: getattr(self, name) for name in shown}


class _No(Exception):
    """STS says no: a status, its code, its words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Sts:
    """Lends credentials and knows them again."""

    def __init__(
        self, external_id: str | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._external_id = external_id
        self._now = now
        self._sessions: OrderedDict[str, RoleRecord] = OrderedDict()
        self.log: deque[RoleRecord] = deque(maxlen=_MOST_SESSIONS)

    def answer(self, form: str, authorization: str | None) -> Play:
        """What STS answers to this form, in XML."""
        asked = dict(parse_qsl(form, keep_blank_values=True))
        try:
            return _xml(200, self._assumed(asked, authorization))
        except _No as no:
            kind = "Sender" if no.status < 500 else "Receiver"
            told = f"<Error><Type>{kind}</Type><Code>{no.code}</Code><Message>{escape(no.message)}</Message></Error>"
            return _xml(
                no.status, f'<ErrorResponse xmlns="{_NAMESPACE}">{told}<RequestId>{uuid4()}</RequestId></ErrorResponse>'
            )

    def session(self, key_id: str | None, token: str | None) -> RoleRecord | None:
        """Whose credentials these are; None for those that were not lent here. Raises Refused."""
        if key_id is None or not key_id.startswith("ASIA"):
            return None
        lent = self._sessions.get(key_id)
        if lent is None or lent.token != token:
            raise denied("UnrecognizedClientException", "The security token included in the request is invalid.")
        if lent.ends_at is not None and lent.ends_at <= self._now():
            raise denied("ExpiredTokenException", "The security token included in the request is expired")
        return lent

    def end_sessions(self) -> None:
        """Everything lent is no more."""
        self._sessions.clear()

    def _assumed(self, asked: dict[str, str], authorization: str | None) -> str:
        try:
            check_credential(authorization)
        except Refused as refused:
            code = "ExpiredToken" if "expired" in refused.refusal.message else "InvalidClientTokenId"
            raise _No(403, code, refused.refusal.message) from refused
        if asked.get("Action") != "AssumeRole":
            raise _No(400, "InvalidAction", f"Could not find operation {asked.get('Action')} for version 2011-06-15")
        record = RoleRecord(
            asked.get("RoleArn", ""),
            asked.get("RoleSessionName", ""),
            credential_of(authorization),
            region_of(authorization),
            "ExternalId" in asked,
            _tags(asked),
        )
        try:
            self._check(record, asked)
        except _No as no:
            self.log.append(replace(record, error=no.code))
            raise
        lent = replace(
            record,
            key_id=f"ASIA{secrets.token_hex(8).upper()}",
            token=secrets.token_urlsafe(48),
            ends_at=self._now() + timedelta(seconds=int(asked.get("DurationSeconds", "3600"))),
        )
        self.log.append(lent)
        self._sessions[lent.key_id or ""] = lent
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return _told(lent)

    def _check(self, record: RoleRecord, asked: dict[str, str]) -> None:
        if not _ROLE.fullmatch(record.role_arn) or not _SESSION.fullmatch(record.session_name):
            raise _No(
                400, "ValidationError", "1 validation error detected: Value at 'roleArn' or 'roleSessionName' is wrong"
            )
        if len(record.tags) > 50 or any(_too_long(*tag) for tag in record.tags.items()):
            raise _No(
                400, "ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint"
            )
        if "denied" in record.role_arn or (
            self._external_id is not None and asked.get("ExternalId") != self._external_id
        ):
            who = f"arn:aws:iam::{OWN_ACCOUNT}:user/{record.asked_by}"
            raise _No(
                403,
                "AccessDenied",
                f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {record.role_arn}",
            )


def _tags(asked: dict[str, str]) -> dict[str, str]:
    told: dict[str, dict[str, str]] = {}
    for name, value in asked.items():
        found = _TAG.fullmatch(name)
        if found:
            told.setdefault(found.group(1), {})[found.group(2)] = value
    return {tag.get("Key", ""): tag.get("Value", "") for _, tag in sorted(told.items(), key=lambda each: int(each[0]))}


def _too_long(key: str, value: str) -> bool:
    fits = all(each.isalnum() or each.isspace() or each in "_.:/=+-@" for each in key + value)
    return not (0 < len(key) <= 128 and len(value) <= 256 and fits)


def _told(lent: RoleRecord) -> str:
    ends = f"{lent.ends_at:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f'<AssumeRoleResponse xmlns="{_NAMESPACE}"><AssumeRoleResult>'
        f"<AssumedRoleUser><AssumedRoleId>AROASANDBOX:{lent.session_name}</AssumedRoleId><Arn>{lent.session_arn}</Arn>"
        f"</AssumedRoleUser><Credentials><AccessKeyId>{lent.key_id}</AccessKeyId>"
        f"<SecretAccessKey>{secrets.token_urlsafe(30)}</SecretAccessKey><SessionToken>{lent.token}</SessionToken>"
        f"<Expiration>{ends}</Expiration></Credentials><PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )


def _xml(status: int, text: str) -> Play:
    return whole(text.encode(), status=status, content_type="text/xml")

"""Every knob, read once from the environment (and ``.env``), then frozen. Nobody else reads the environment.

A bad value is a :class:`~llm_gateway.domain.errors.ConfigurationError` that names the variable, the value and what is
allowed; secrets are never repeated.
"""

import os
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from llm_gateway.aws_profile import region_of_profile
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.gateway_file.document import Document, read_document
from llm_gateway.gateway_file.problems import Problems
from llm_gateway.gateway_file.references import Referred
from llm_gateway.gateway_file.settings_layer import known_words, set_above, settings_of

_AWS_KEY = "AWS access key id; unset: the AWS default chain (profile, SSO, role, container, instance)."
_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?", re.ASCII)
_REDIS_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
_ENV_FILE = Path(".env")
_AS_SET = Path("GATEWAY_FILE")
Words = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The settings of one process. Times are in seconds, sizes in the unit their description names."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    aws_access_key_id: SecretStr | None = Field(None, description=_AWS_KEY)
    aws_secret_access_key: SecretStr | None = Field(None, description="The secret that belongs to the access key id.")
    aws_session_token: SecretStr | None = Field(None, description="Session token of temporary credentials.")
    aws_profile: str | None = Field(None, description="Profile of the AWS configuration files.")
    aws_region: str = Field(
        "us-east-1", description="Region that is asked; also decides which profile a short name means."
    )
    aws_bearer_token_bedrock: SecretStr | None = Field(
        None, description="A Bedrock API key, instead of AWS credentials."
    )
    aws_endpoint_url_bedrock_runtime: str | None = Field(
        None, description="Another address for the Bedrock runtime, such as the sandbox's."
    )
    aws_endpoint_url_bedrock: str | None = Field(None, description="Another address for Bedrock's control plane.")

    cache_enabled: bool = Field(True, description="Keep answers and share equal requests under way.")
    cache_ttl: float = Field(3600, gt=0, description="How long an answer is kept, seconds.")
    cache_max_size: int = Field(1000, ge=1, description="How many answers are kept at most.")
    cache_max_bytes: int = Field(67_108_864, ge=1024, description="How many bytes of answers are kept at most.")
    cache_tier: Literal["auto", "memory", "sqlite", "redis"] = Field(
        "auto",
        description="Where answers are kept besides memory: sqlite (cache.db in LLM_GATEWAY_HOME, for all processes of "
        "one person), redis (for all replicas); auto: redis where REDIS_URL is set.",
    )
    metrics_enabled: bool = Field(True, description="Count requests, tokens, cost and latency for get_stats.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="Least level that is logged; DEBUG adds the way of each request."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: console on a terminal, else json."
    )
    log_prompts: bool = Field(False, description="Write prompts and answers to the log.")

    gateway_file: Path | None = Field(
        None, description="A YAML or TOML file with routes, accounts and settings (docs/gateway-file.md)."
    )
    models_file: Path | None = Field(None, description="A TOML file with models of your own.")
    retired_models: Literal["refuse", "successor"] = Field(
        "refuse",
        description="What a request for a retired model gets: an error naming the successor, or the successor.",
    )

    bedrock_connect_timeout: float = Field(5, gt=0, description="Longest wait for a connection, seconds.")
    bedrock_first_event_timeout: float = Field(120, gt=0, description="Longest wait for the answer to begin, seconds.")
    bedrock_idle_timeout: float = Field(120, gt=0, description="Longest silence within an answer, seconds.")
    bedrock_total_timeout: float = Field(600, gt=0, description="Longest time for a whole answer, seconds.")
    bedrock_max_connections: int = Field(1000, ge=1, description="Connections to Bedrock at the same time.")

    llm_gateway_transport: Literal["stdio", "http", "sse"] = Field(
        "stdio", description="What --transport is when not given."
    )
    llm_gateway_host: str = Field("127.0.0.1", description="What --host is when not given.")
    llm_gateway_port: int = Field(8080, ge=0, le=65535, description="What --port is when not given.")
    health_port: int = Field(
        8001,
        ge=0,
        le=65535,
        description="Port of the same host where health is told also while the gateway is busy; 0: none. Where the "
        "default is taken, the gateway goes on without.",
    )
    workers: int = Field(
        1, ge=1, le=256, description="Processes that serve the port over HTTP together; what --workers is if not given."
    )
    max_concurrent_requests: int = Field(
        1000,
        ge=1,
        description="Requests under way at the same time, in all workers together; the next is refused at once (503 "
        "overloaded, Retry-After).",
    )
    on_disconnect: Literal["abort", "drain"] = Field(
        "abort",
        description="What becomes of a call whose caller left: ended at once and booked by what had arrived, or read "
        "to its end (at most 32 at once, 60 s each), so that the ledger equals AWS's invoice.",
    )
    drain_timeout: float = Field(
        10, ge=0, description="How long answers under way may take when the server is told to stop, seconds."
    )
    allow_anonymous: bool = Field(False, description="Let anybody in who reaches a host that is not loopback.")
    allowed_hosts: Words = Field((), description="More Host headers to accept, comma-separated (loopback always is).")
    allowed_origins: Words = Field((), description="Origins of browsers to accept, comma-separated.")

    llm_gateway_home: Path | None = Field(
        None, description="Folder of what is kept: the ledger, keys, budgets. Unset: XDG_STATE_HOME/llm-gateway."
    )
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name, for several gateways that share ledger, keys and budgets. "
        "Unset: SQLite, ledger.db in that folder.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="redis://:password@host:6379/0 (rediss:// for TLS, valkey:// too), for several gateways that share "
        "rate limits and kept answers. Unset: each process counts for itself.",
    )
    redis_timeout: float = Field(
        0.15, gt=0, description="Longest wait for an answer of Redis, seconds; then a request goes on without it."
    )
    replicas: int = Field(
        1,
        ge=1,
        description="How many gateways share that Redis: while it is down, each lets through this part of a limit.",
    )
    ledger: Literal["on", "off"] = Field("on", description="Write down what is spent; off: no keys and budgets either.")
    llm_gateway_key: SecretStr | None = Field(None, description="The key of whoever speaks over standard input.")
    admin_api_key: SecretStr | None = Field(None, description="The key of /admin; unset: there is no /admin.")
    alert_webhook_url: str | None = Field(
        None, description="Where budgets that pass one of their alert marks are told, beside the log; https://…."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="What these posts are signed with (Standard Webhooks); whsec_ and base64, or any text."
    )
    alert_webhook_private: bool = Field(False, description="Let that address be one inside, over plain http too.")
    unpriced: Literal["flag", "refuse"] = Field(
        "flag", description="What a call gets whose model has no known price: a cost of null, or an error."
    )
    budget_clamp: bool = Field(
        True, description="Lower max_tokens to what a budget can still pay; false: refuse the call."
    )
    queue_max_wait: float = Field(
        0, ge=0, description="How long a request waits for room in its rate limits before it is refused, seconds."
    )
    cache_scope: Literal["key", "team", "shared"] = Field(
        "key", description="Who shares kept answers, where there are keys."
    )

    fetch_urls: bool = Field(
        False, description="Fetch pictures, documents, video and sound that a request names by https address."
    )
    fetch_hosts: Words = Field(
        (),
        description="The only hosts to fetch from, comma-separated, *.example.com for all below it; unset: all of the "
        "open internet.",
    )
    strict_params: bool = Field(
        False, description="Refuse parameters of /v1 that cannot be honoured, instead of dropping them."
    )
    max_body_bytes: int = Field(16_777_216, ge=1024, description="Largest body of a request over HTTP, bytes.")
    max_json_depth: int = Field(64, ge=8, le=200, description="Deepest nesting of such a body.")
    max_messages: int = Field(10_000, ge=1, description="Most messages of one request to /v1.")
    max_tools: int = Field(512, ge=1, description="Most tools of one request to /v1.")
    max_header_bytes: int = Field(65_536, ge=4096, description="Largest head of a request over HTTP, bytes.")
    body_read_timeout: float = Field(30, gt=0, description="Longest wait for a whole head, and a whole body, seconds.")
    slow_reader_timeout: float = Field(
        20, gt=0, description="How long a caller may take none of the bytes that wait for it, seconds; then it is cut."
    )
    mcp_max_sessions: int = Field(
        10_000,
        ge=0,
        description="Most MCP sessions at once (clients of 2025-11-25 and before); 0: none, each request stands alone, "
        "for replicas behind a balancer that does not keep a client with one of them.",
    )
    mcp_session_idle_timeout: float = Field(
        1800, gt=0, description="How long an MCP session may be unused before it ends, seconds."
    )

    @field_validator("allowed_hosts", "allowed_origins", "fetch_hosts", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(word.strip() for word in given.split(",") if word.strip()) if isinstance(given, str) else given

    @field_validator(
        *("log_level", "log_format", "retired_models", "llm_gateway_transport"),
        *("ledger", "unpriced", "cache_scope", "cache_tier", "on_disconnect"),
        mode="before",
    )
    @classmethod
    def _any_case(cls, given: object, info: ValidationInfo) -> object:
        words: tuple[str, ...] = get_args(cls.model_fields[info.field_name or ""].annotation)
        return next((word for word in words if isinstance(given, str) and word.lower() == given.strip().lower()), given)

    @field_validator("aws_endpoint_url_bedrock_runtime", "aws_endpoint_url_bedrock", "alert_webhook_url")
    @classmethod
    def _is_address(cls, given: str | None) -> str | None:
        if given is None:
            return None
        given = given.strip()
        if not given.startswith(("http://", "https://")):
            raise ValueError("must be an address that starts with http:// or https://")
        try:
            parts = urlsplit(given)
            is_whole = bool(parts.hostname) and parts.port != 0  # a port that is none raises
        except ValueError:
            is_whole = False
        if not is_whole:
            raise ValueError("must be an address with a host, and a port from 1 to 65535 if it names one")
        return given

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, given: SecretStr | None) -> SecretStr | None:
        if given is None:
            return None
        scheme, sign, rest = given.get_secret_value().strip().partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+asyncpg") or not sign or not rest:
            raise ValueError("must start with postgresql://, or be unset for SQLite")
        return SecretStr(f"postgresql://{rest}")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, given: SecretStr | None) -> SecretStr | None:
        if given is None:
            return None
        scheme, sign, rest = given.get_secret_value().strip().partition("://")
        known = _REDIS_SCHEMES.get(scheme.lower())
        if known is None or not sign or not rest:
            raise ValueError("must start with redis://, rediss://, valkey:// or valkeys://")
        try:
            parts = urlsplit(f"{known}://{rest}")
            has_number = parts.path in ("", "/") or parts.path[1:].isdecimal()
            is_whole = bool(parts.hostname) and parts.port != 0 and has_number  # a port that is none raises
        except ValueError:
            is_whole = False
        if not is_whole:
            raise ValueError(
                "must be redis://user:password@host:port/number; in user and password write %2F for /, %23 for #, "
                "%40 for @, %3A for :"
            )
        return SecretStr(f"{known}://{rest}")

    @field_validator("fetch_hosts")
    @classmethod
    def _are_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not all([_HOST.fullmatch(host) for host in given]):
            raise ValueError("must be names of hosts, such as example.com or *.example.com, separated by commas")
        return given

    @field_validator("aws_region")
    @classmethod
    def _is_region(cls, given: str) -> str:
        if not _REGION.fullmatch(given.strip()):
            raise ValueError("must be the name of a region, such as us-east-1")
        return given.strip()

    @field_validator(
        *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_bearer_token_bedrock"), mode="after"
    )
    @classmethod
    def _fits_a_header(cls, given: SecretStr | None) -> SecretStr | None:
        """White space around it comes with copying, and from files; within it nothing but a mistake can have put it."""
        if given is None:
            return None
        text = given.get_secret_value().strip()
        if not (text.isascii() and text.isprintable()):
            raise ValueError("must be one line of ASCII characters")
        return SecretStr(text) if text else None

    @field_validator(
        *("cache_ttl", "bedrock_connect_timeout", "bedrock_first_event_timeout"),
        *("bedrock_idle_timeout", "bedrock_total_timeout", "body_read_timeout", "drain_timeout"),
        *("queue_max_wait", "mcp_session_idle_timeout", "redis_timeout", "slow_reader_timeout"),
    )
    @classmethod
    def _finite(cls, given: float) -> float:
        if not isfinite(given):
            raise ValueError("must be a finite number")
        return given

    @property
    def home(self) -> Path:
        """The folder of what is kept."""
        if self.llm_gateway_home is not None:
            return self.llm_gateway_home.expanduser()
        state = os.environ.get("XDG_STATE_HOME")
        return Path(state or os.path.expanduser("~/.local/state")) / "llm-gateway"  # noqa: PTH111 - Path's wants a home

    @property
    def static_credentials(self) -> tuple[str, str, str | None] | None:
        """Key id, secret and session token where both parts of a key pair were given."""
        if self.aws_access_key_id is None or self.aws_secret_access_key is None:
            return None
        token = self.aws_session_token.get_secret_value() if self.aws_session_token else None
        return self.aws_access_key_id.get_secret_value(), self.aws_secret_access_key.get_secret_value(), token


def load_settings(env_file: Path | None = _ENV_FILE, gateway_file: Path | None = _AS_SET) -> Settings:
    """Reads environment, ``env_file`` and the gateway file (``GATEWAY_FILE``'s, unless told otherwise), each above the
    next. The region falls back to ``AWS_DEFAULT_REGION`` and the profile's own.

    Raises:
        ConfigurationError: one line for each bad value.
    """
    given: Mapping[str, Any] = {}
    try:
        file = set_above(Settings, env_file).get("gateway_file") if gateway_file is _AS_SET else gateway_file
        if file:
            document = read_document(Path(str(file)))
            problems = document.problems()
            given = checked_settings(document, problems, env_file)
            problems.raise_if_any()
        settings = Settings(_env_file=env_file, **given)  # pyright: ignore[reportCallIssue] - the library's own argument
    except ValidationError as refused:
        raise ConfigurationError("\n".join(_line(problem) for problem in refused.errors())) from None
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(f"{env_file}: cannot be read as UTF-8 text ({unreadable})") from None
    if "aws_region" not in settings.model_fields_set:
        region = os.environ.get("AWS_DEFAULT_REGION") or region_of_profile(settings.aws_profile, os.environ)
        settings = settings.model_copy(update={"aws_region": region}) if region else settings
    return settings


def checked_settings(document: Document, problems: Problems, env_file: Path | None = _ENV_FILE) -> dict[str, object]:
    """The settings of a gateway file that nothing above it sets; what is wrong with them is added to ``problems``."""
    above, environ = set_above(Settings, env_file), file_references(env_file)
    given = settings_of(document, environ, Settings.model_fields, problems, without=above)
    try:
        Settings(_env_file=None, **cast("dict[str, Any]", given))  # pyright: ignore[reportCallIssue]
    except ValidationError as refused:
        for wrong in refused.errors():
            name = str(wrong["loc"][0])
            if name in given:
                field = Settings.model_fields[name]
                words = allowed_words(field) or str(wrong["msg"]).removeprefix("Value error, ")
                hidden = "Secret" in str(field.annotation) or isinstance(given[name], Referred)
                problems.add(("settings", name), words if hidden else f"is {wrong['input']!r}; it {words}")
    return given


def file_references(env_file: Path | None = _ENV_FILE) -> Mapping[str, str]:
    """What a reference of the gateway file may name: the variables of the environment, and of ``env_file``."""
    return known_words(Settings, env_file, os.environ)


def _line(problem: Mapping[str, Any]) -> str:
    """``CACHE_TTL='soon': must be a number, greater than 0``."""
    name = str(problem["loc"][0])
    field = Settings.model_fields[name]
    secret = "Secret" in str(field.annotation)
    given = "" if secret else f"={problem['input']!r}"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{name.upper()}{given}: {allowed_words(field) or said}"


def allowed_words(field: FieldInfo) -> str:
    """What a field takes, where its type and its bounds say so; else nothing."""
    kind: object = field.annotation
    if kind is bool:
        return "must be true or false"
    if get_origin(kind) is Literal:
        return "must be one of " + ", ".join(get_args(kind))
    if kind is not int and kind is not float:
        return ""
    words = ["must be a whole number" if kind is int else "must be a number"]
    for bound in field.metadata:
        for sign, word in (("gt", "greater than"), ("ge", "at least"), ("le", "at most")):
            limit = getattr(bound, sign, None)
            if limit is not None:
                words.append(f"{word} {limit}")
    return ", ".join(words)

"""The composition root: the one room that knows concrete classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from llm_gateway.accounting.books_contract import Alert
from llm_gateway.accounting.catalog_pricer import CatalogPricer
from llm_gateway.accounting.second_opinion import SecondOpinion
from llm_gateway.administration import Administration
from llm_gateway.backends.bedrock.client import BedrockBackend
from llm_gateway.backends.bedrock.credentials import AccessWish
from llm_gateway.backends.bedrock.timeouts import Timeouts
from llm_gateway.board import Board
from llm_gateway.cache_rooms import open_cache
from llm_gateway.caching.fingerprint import fingerprint
from llm_gateway.catalog.catalog import Catalog, load_catalog
from llm_gateway.crew import Crew
from llm_gateway.crowd import Crowd
from llm_gateway.domain.errors import ConfigurationError
from llm_gateway.domain.requests import ResolvedModel
from llm_gateway.fetching.contract import MediaFetcher, NoFetching
from llm_gateway.gateway import Gateway
from llm_gateway.money_rooms import MoneyRooms, furnish_money
from llm_gateway.redis_link import open_redis
from llm_gateway.reports import Others, Reports
from llm_gateway.route_desk import FileContent, RouteDesk, read_file
from llm_gateway.routing.router import Router
from llm_gateway.settings import Settings
from llm_gateway.telemetry.contract import Figures, Metrics
from llm_gateway.telemetry.logs import RequestLog
from llm_gateway.telemetry.metrics import MetricsTracker, NoMetrics
from llm_gateway.till import Till
from llm_gateway.worker_line import LineBroken

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from starlette.types import ASGIApp

    from llm_gateway.alerting.webhook import Webhook
    from llm_gateway.caching.contract import AnswerCache
    from llm_gateway.storage.redis_server import RedisServer
    from llm_gateway.surfaces.door_limits import DoorLimits


@dataclass(frozen=True, slots=True)
class App:
    """What one process serves."""

    settings: Settings
    catalog: Catalog
    backend: BedrockBackend
    gateway: Gateway
    router: Router
    routes: RouteDesk
    reports: Reports
    metrics: Metrics
    money: MoneyRooms
    cache: "AnswerCache"
    webhook: "Webhook | None" = None
    redis: "RedisServer | None" = None
    board: Board = field(default_factory=Board.of_one)
    crew: Crew | None = None

    def start(self) -> None:
        """Begins what goes on beside the requests. In a running loop."""
        self.money.start()
        self.routes.start()
        if self.redis is not None:
            self.redis.start()

    async def aclose(self) -> None:
        """Ends what is under way, writes what waits, closes everything."""
        await self.routes.aclose()
        await self.gateway.aclose()
        await self.money.aclose()
        await self.cache.aclose()
        if self.webhook is not None:
            await self.webhook.aclose()
        if self.redis is not None:
            await self.redis.aclose()

    def show(self) -> None:
        """Shows that the event loop runs, and how this process stands."""
        from llm_gateway.surfaces.health import standing_of

        self.board.show(self.crew.seat if self.crew else 0, standing_of(self.gateway, self.degraded))

    def degraded(self) -> tuple[str, ...]:
        """The parts that are down while requests go on without them."""
        return ("redis",) if self.redis is not None and not self.redis.is_up else ()

    def mcp_server(self) -> "FastMCP":
        """A fresh MCP server over this gateway; each can be served once."""
        from llm_gateway.surfaces.mcp_tools import create_mcp_server

        own_key = self.settings.llm_gateway_key
        return create_mcp_server(
            self.gateway,
            self.reports,
            desk=self._desk(),
            own_key=own_key.get_secret_value() if own_key is not None else None,
        )

    def http_site(self, bound_host: str) -> "ASGIApp":
        """The HTTP site, for a server bound to ``bound_host``."""
        from llm_gateway.surfaces.http_site import create_site

        master = self.settings.admin_api_key
        return create_site(
            server=self.mcp_server(),
            gateway=self.gateway,
            reports=self.reports,
            bound_host=bound_host,
            allowed_hosts=self.settings.allowed_hosts,
            allowed_origins=self.settings.allowed_origins,
            limits=self._door_limits(),
            desk=self._desk(),
            master_key=master.get_secret_value() if master is not None else None,
            degraded=self.degraded,
            routes=self.routes,
            keeps_sessions=self.crew is None,
        )

    def _desk(self) -> Administration | None:
        money = self.money
        if money.database is None:
            return None
        return Administration(money.database, money.refresh_keys, self.cache)

    def _door_limits(self) -> "DoorLimits":
        from llm_gateway.surfaces.door_limits import DoorLimits

        settings = self.settings
        return DoorLimits(
            max_body_bytes=settings.max_body_bytes,
            max_json_depth=settings.max_json_depth,
            max_messages=settings.max_messages,
            max_tools=settings.max_tools,
            body_read_s=settings.body_read_timeout,
            strict_params=settings.strict_params,
            max_mcp_sessions=settings.mcp_max_sessions,
            mcp_session_idle_s=settings.mcp_session_idle_timeout,
        )


def create_app(settings: Settings, fetcher: MediaFetcher | None = None, crew: Crew | None = None) -> App:
    """Builds everything; nothing is sent, opened or listened to yet. ``fetcher`` takes the place of the settings' own.
    ``crew`` is for one of several workers.

    Raises:
        ConfigurationError: the gateway file, the file of models or the address of the webhook is wrong, or a package
            is missing that a setting needs.
    """
    catalog = load_catalog(settings.models_file)
    region = settings.aws_region

    board = crew.board if crew else Board.of_one()
    metrics: Metrics = MetricsTracker() if settings.metrics_enabled else NoMetrics()
    backend = create_backend(settings)
    observers = (metrics, RequestLog(log_prompts=settings.log_prompts))
    pricer = CatalogPricer(SecondOpinion(), region=region)
    redis = open_redis(settings)
    cache = open_cache(settings, redis)
    webhook = _create_webhook(settings)
    money = furnish_money(settings, lambda alert: _tell_alert(alert, webhook), redis, crew)
    file = read_file(settings, catalog)
    router = _create_router(settings, catalog, file, webhook)
    gateway = Gateway(
        ways=router,
        backend=backend,
        cache=cache,
        fingerprint=fingerprint,
        pricer=pricer,
        till=Till(pricer=pricer, books=money.books, region=region, observers=observers),
        gate=money.gate,
        limiter=money.limiter,
        repeats=money.repeats,
        fetcher=fetcher or _create_fetcher(settings),
        drain=settings.on_disconnect == "drain",
        embedder=backend,
        crowd=Crowd(settings.max_concurrent_requests, board, crew.seat if crew else 0),
        observers=observers,
    )
    others, workers = _others(crew, metrics)
    reports = Reports(
        models=catalog, metrics=metrics, cache=cache, routes=router.listing, others=others, workers=workers
    )
    desk = RouteDesk(router, settings, catalog, file)
    return App(
        settings, catalog, backend, gateway, router, desk, reports, metrics, money, cache, webhook, redis, board, crew
    )


def _others(crew: Crew | None, metrics: Metrics) -> tuple[Others | None, int]:
    """How the figures of the other workers are had, and how many workers there are."""
    if crew is None:
        return None, 1
    line = crew.line

    async def ask() -> Sequence[Figures]:
        try:
            return (await line.ask("all_figures"))["figures"]
        except LineBroken:
            return ()

    return ask if metrics.figures() else None, crew.workers


def _create_router(settings: Settings, catalog: Catalog, file: FileContent, webhook: "Webhook | None") -> Router:
    def resolve(asked: str, elsewhere: str | None) -> ResolvedModel:
        region, today = elsewhere or settings.aws_region, datetime.now(UTC).date()
        return catalog.resolve(asked, region=region, today=today, retired=settings.retired_models)

    return Router(
        resolve,
        table=file.table,
        timeout_s=settings.bedrock_total_timeout,
        share=1 / settings.replicas,
        news=lambda event, facts: _tell_of_target(event, facts, webhook),
    )


def _create_fetcher(settings: Settings) -> MediaFetcher:
    """What is fetched for a request may weigh what its body may: base64 makes four bytes of three."""
    if not settings.fetch_urls:
        return NoFetching()
    from llm_gateway.fetching.web_fetcher import WebFetcher

    return WebFetcher(hosts=settings.fetch_hosts, most_bytes=settings.max_body_bytes * 3 // 4)


def _create_webhook(settings: Settings) -> "Webhook | None":
    """Raises ConfigurationError where what is spent would be told to everybody on the way."""
    url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
    if url is None:
        return None
    if not url.startswith("https://") and not settings.alert_webhook_private:
        raise ConfigurationError("ALERT_WEBHOOK_URL: must start with https://, or set ALERT_WEBHOOK_PRIVATE=true")
    from llm_gateway.alerting.webhook import Webhook

    return Webhook(
        url, secret=secret.get_secret_value() if secret is not None else None, private=settings.alert_webhook_private
    )


def _tell_alert(alert: Alert, webhook: "Webhook | None") -> None:
    budget, state = alert.state.budget, alert.state
    facts = {
        "scope": budget.scope,
        "scope_id": budget.scope_id,
        "percent": alert.percent,
        "spent_nano_usd": state.spent_nano_usd,
        "limit_nano_usd": budget.limit_nano_usd,
        "window": budget.window,
        "resets_at": state.resets_at,
    }
    structlog.get_logger().warning("budget_alert", **facts)
    if webhook is not None:
        webhook.send("budget.alert", facts)


def _tell_of_target(event: str, facts: dict[str, object], webhook: "Webhook | None") -> None:
    structlog.get_logger().warning(event, **facts)
    if webhook is not None:
        webhook.send(event.replace("_", ".", 1), facts)


def access_wish(settings: Settings) -> AccessWish:
    """Who we are to AWS, as far as the settings say; the rest is left to AWS's own chain."""
    key_id, secret, token = settings.static_credentials or (None, None, None)
    bearer = settings.aws_bearer_token_bedrock
    return AccessWish(
        region=settings.aws_region,
        profile=settings.aws_profile,
        endpoint_url=settings.aws_endpoint_url_bedrock_runtime,
        bearer_token=bearer.get_secret_value() if bearer else None,
        access_key_id=key_id,
        secret_access_key=secret,
        session_token=token,
    )


def create_backend(settings: Settings) -> BedrockBackend:
    """The Bedrock client as the settings want it."""
    return BedrockBackend(
        **asdict(access_wish(settings)),
        timeouts=Timeouts(
            connect_s=settings.bedrock_connect_timeout,
            first_event_s=settings.bedrock_first_event_timeout,
            idle_s=settings.bedrock_idle_timeout,
            total_s=settings.bedrock_total_timeout,
        ),
        max_connections=settings.bedrock_max_connections,
    )

"""Reads model cards from TOML: the shipped ones, one file per vendor, and a person's own.

A file holds a ``provider`` for all its tables and one ``[[model]]`` table per model:

    provider = "acme"                                   # else the part of the id before its dot

    [[model]]
    name = "rocket-1"                                   # the short name people type
    id = "acme.rocket-1-v1:0"                           # base model id, or an ARN
    aliases = ["rocket-one"]
    description = "One sentence."
    status = "legacy"                                   # active (default), legacy, retired
    ends_on = 2027-03-30
    successor = "rocket-2"
    note = "…"
    listed = true
    context_window_tokens = 128_000
    max_input_tokens = 120_000                          # only where smaller than the window
    max_output_tokens = 8_000                           # none where output_modalities holds no "text"
    input_modalities = ["text", "image"]                # default ["text"]
    output_modalities = ["text"]
    capabilities = ["system", "streaming", "tools"]     # default ["system", "streaming"]
    cache_min_tokens = 1_024
    output_burn_rate = 5                                # quota taken per output token, default 1
    needs_profile = true                                # the bare id is refused on demand
    profiles = ["us", "eu"]                             # only where no price tells them
    [model.price]                                       # US dollars per million tokens; none = price unknown
    input = 0.5
    output = 1.5
    cache_read = 0.05
    cache_write_5m = 0.625
    cache_write_1h = 1
    source = "where it was read"
    checked = 2026-11-21
    [model.price.profiles]                              # "base" = costs what the base costs
    global = "base"
    us = { input = 0.55, output = 1.65 }
    [model.price.regions]
    eu-west-2 = { input = 0.6, output = 1.8 }
    [model.price.tiers]                                 # flex, priority, batch
    flex = { input = 0.25, output = 0.75 }
    [[model.price.steps]]                               # above that much input all tokens cost this
    over_tokens = 200_000
    input = 1
    output = 2.25

In a person's file a table with a shipped name or id replaces the keys it writes (``price`` as a whole) and keeps the
rest; any other table is a model of its own.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from llm_gateway.catalog.tables import Raw, Table, is_list, is_table
from llm_gateway.domain.cards import InOutPrice, Lifecycle, LifecycleStatus, ModelCard, PriceList, PriceStep
from llm_gateway.domain.errors import ConfigurationError

CARDS_FOLDER = Path(__file__).parent / "cards"

CAPABILITIES = frozenset(
    [
        "system",
        "tools",
        "forced_tools",
        "parallel_tools",
        "vision",
        "documents",
        "embeddings",
        "video",
        "audio",
        "reasoning",
        "adaptive_thinking",
        "thinking_always_on",
        "json_schema",
        "native_json_schema",
        "prompt_cache",
        "prefill",
        "mid_system",
        "no_sampling_params",
        "one_sampling_param",
        "streaming",
        "streaming_tools",
    ]
)
PROFILE_PREFIXES = frozenset(
    ["global", "us", "eu", "apac", "jp", "au", "us-gov", "ca", "sa", "me", "af", "in", "kr", "il", "mx", "uk"]
)
_MODALITIES = frozenset(("text", "image", "video", "audio", "document", "embedding"))
_TIERS = frozenset(("flex", "priority", "batch"))
_PRICE_KEYS = frozenset(
    [
        "input",
        "output",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "source",
        "checked",
        "profiles",
        "regions",
        "tiers",
        "steps",
    ]
)
_MODEL_KEYS = frozenset(
    [
        "name",
        "id",
        "provider",
        "aliases",
        "description",
        "status",
        "ends_on",
        "successor",
        "note",
        "listed",
        "context_window_tokens",
        "max_input_tokens",
        "max_output_tokens",
        "input_modalities",
        "output_modalities",
        "capabilities",
        "cache_min_tokens",
        "output_burn_rate",
        "needs_profile",
        "profiles",
        "price",
    ]
)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A model's keys as they were written, and where."""

    raw: Raw
    file: str
    number: int

    @property
    def where(self) -> str:
        name = self.raw.get("name")
        title = f"[[model]] {self.number}" if not isinstance(name, str) else f"[[model]] {self.number} ({name[:60]})"
        return f"{self.file}: {title}"


def read_cards(models_file: Path | None = None) -> tuple[ModelCard, ...]:
    """All cards, the shipped ones first, in the order of their files.

    Raises:
        ConfigurationError: a file, table or key is wrong, or two models bear one name; says where, and the mend.
    """
    drafts = [draft for path in sorted(CARDS_FOLDER.glob("*.toml")) for draft in _drafts(path)]
    if models_file is not None:
        drafts = _overridden(drafts, _drafts(models_file))
    cards = tuple(_card(draft) for draft in drafts)
    _refuse_twins(cards, drafts)
    return cards


def _drafts(path: Path) -> Iterator[_Draft]:
    file = path.name
    try:
        raw: Raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as fault:
        raise ConfigurationError(f"{path}: the models file cannot be read: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"{path}: this is no TOML: {fault}") from fault
    top = Table(raw, file)
    top.only(("provider", "model"))
    provider = top.text("provider")
    tables = raw.get("model", [])
    if not is_list(tables):
        top.fail("model must be a list of tables, each begun with [[model]]")
    for number, table in enumerate(tables, 1):
        if not is_table(table):
            top.fail("model must be a list of tables, each begun with [[model]]")
        yield _Draft({"provider": provider, **table} if provider else table, file, number)


def _overridden(shipped: list[_Draft], own: Iterable[_Draft]) -> list[_Draft]:
    places = {key: place for place, draft in enumerate(shipped) for key in (draft.raw["name"], draft.raw["id"])}
    drafts = list(shipped)
    for draft in own:
        keys = [draft.raw.get("name"), draft.raw.get("id")]
        place = next((places[key] for key in keys if isinstance(key, str) and key in places), None)
        if place is None:
            drafts.append(draft)
        else:
            drafts[place] = _Draft({**drafts[place].raw, **draft.raw}, draft.file, draft.number)
    return drafts


def _refuse_twins(cards: tuple[ModelCard, ...], drafts: list[_Draft]) -> None:
    owners: dict[str, ModelCard] = {}
    for card, draft in zip(cards, drafts, strict=True):
        for word in {card.name.lower(), card.id.lower(), *(alias.lower() for alias in card.aliases)}:
            other = owners.setdefault(word, card)
            if other is not card:
                raise ConfigurationError(
                    f"{draft.where}: {word!r} already stands for {other.name} ({other.id}); choose another word"
                )


def _card(draft: _Draft) -> ModelCard:
    table = Table(draft.raw, draft.where)
    table.only(_MODEL_KEYS)
    name = table.needed_text("name", "my-model")
    if any(character.isspace() or not character.isascii() for character in name):
        table.fail(f"name is {name[:60]!r}; it must be ASCII without spaces")
    model_id = table.needed_text("id", "vendor.model-v1:0")
    prices = _prices(table)
    profiles = table.words("profiles", (), PROFILE_PREFIXES) or tuple(prices.profiles if prices else ())
    gives = table.words("output_modalities", ("text",), _MODALITIES)
    return ModelCard(
        name=name,
        id=model_id,
        provider=(table.text("provider") or model_id.partition(".")[0]).lower(),
        description=table.text("description") or "",
        context_window_tokens=table.needed_count("context_window_tokens", "128_000"),
        max_output_tokens=table.needed_count("max_output_tokens", "8_192") if "text" in gives else 0,
        max_input_tokens=table.count("max_input_tokens"),
        aliases=table.words("aliases", ()),
        profiles=profiles,
        needs_profile=table.flag("needs_profile", False),
        input_modalities=table.words("input_modalities", ("text",), _MODALITIES),
        output_modalities=gives,
        capabilities=frozenset(table.words("capabilities", ("system", "streaming"), CAPABILITIES)),
        cache_min_tokens=table.count("cache_min_tokens"),
        output_burn_rate=table.count("output_burn_rate") or 1,
        lifecycle=_lifecycle(table),
        prices=prices,
        listed=table.flag("listed", True),
    )


def _lifecycle(table: Table) -> Lifecycle:
    status = table.text("status") or "active"
    if status not in get_args(LifecycleStatus):
        table.fail(f"status is {status[:60]!r}; it must be one of {', '.join(get_args(LifecycleStatus))}")
    return Lifecycle(
        status=cast("LifecycleStatus", status),
        ends_on=table.day("ends_on"),
        successor=table.text("successor"),
        note=table.text("note"),
    )


def _prices(model: Table) -> PriceList | None:
    table = model.table("price", "model.price")
    if table is None:
        return None
    table.only(_PRICE_KEYS)
    return PriceList(
        base=_in_out(table),
        cache_read_per_mtok=table.price("cache_read"),
        cache_write_5m_per_mtok=table.price("cache_write_5m"),
        cache_write_1h_per_mtok=table.price("cache_write_1h"),
        profiles=_price_map(table, "profiles", PROFILE_PREFIXES),
        regions=_price_map(table, "regions", None),
        tiers=_price_map(table, "tiers", _TIERS),
        steps=_steps(table),
        source=table.text("source") or "models file",
        checked_on=table.needed_day("checked"),
    )


def _in_out(table: Table) -> InOutPrice:
    return InOutPrice(table.needed_price("input"), table.needed_price("output"))


def _price_map(prices: Table, key: str, known: frozenset[str] | None) -> Mapping[str, InOutPrice | None]:
    table = prices.table(key, f"model.price.{key}")
    if table is None:
        return MappingProxyType({})
    if known is not None:
        table.only(known)
    found: dict[str, InOutPrice | None] = {}
    for word in table:
        if table.is_word(word, "base"):
            found[word] = None
        elif (price := table.table(word, f"model.price.{key}.{word}")) is not None:
            price.only(("input", "output"))
            found[word] = _in_out(price)
    return MappingProxyType(found)


def _steps(prices: Table) -> tuple[PriceStep, ...]:
    steps: list[PriceStep] = []
    for table in prices.tables("steps", "model.price.steps"):
        table.only(("over_tokens", "input", "output"))
        step = PriceStep(table.needed_count("over_tokens", "200_000"), _in_out(table))
        if steps and step.over_tokens <= steps[-1].over_tokens:
            table.fail("over_tokens must grow from step to step")
        steps.append(step)
    return tuple(steps)

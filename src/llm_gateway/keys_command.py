"""``llm-gateway keys``: create, list, show, rotate, revoke."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import cast

from llm_gateway.administration import Administration, NewKey
from llm_gateway.domain.errors import ConfigurationError, GatewayError
from llm_gateway.domain.keys import KeyWish
from llm_gateway.money_rooms import open_database
from llm_gateway.settings import Settings
from llm_gateway.surfaces.money_words import (
    a_key_name,
    budget_wish,
    decode_limits,
    encode_key,
    nano_usd,
    when,
)

Json = dict[str, object]
_LIMITS = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute, input and longest answer together",
    "input_tpm": "input tokens a minute",
    "output_tpm": "output tokens a minute",
    "concurrent": "requests at the same time",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's verbs and their options."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a key; it is shown once", allow_abbrev=False)
    create.add_argument("--name", required=True, help="name of the key, such as the agent's")
    create.add_argument("--team", help="team that it belongs to")
    create.add_argument("--budget", metavar="USD", help="US dollars that it may spend, such as 25 or 0.002")
    create.add_argument("--window", default="month", help="day, month, lifetime, or a length such as 12h (month)")
    create.add_argument(
        "--alert", action="append", type=int, metavar="PERCENT", help="tell when so much is spent (80 and 100)"
    )
    create.add_argument("--run-budget", metavar="USD", help="US dollars that each run of it may spend")
    create.add_argument("--model", action="append", default=[], metavar="GLOB", help="model it may ask (repeatable)")
    create.add_argument(
        "--place", action="append", default=[], metavar="GLOB", help="region or profile prefix it may use (repeatable)"
    )
    create.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="tag (repeatable)")
    create.add_argument("--expires", metavar="DATE", help="last moment, such as 2027-01-31")
    for name, meaning in _LIMITS.items():
        create.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=meaning)
    create.set_defaults(verb=_create)
    for name, verb, meaning in (
        ("show", _show, "show one key"),
        ("rotate", _rotate, "give a key another secret; the old one is refused at once"),
        ("revoke", _revoke, "end a key for good"),
    ):
        each = verbs.add_parser(name, help=meaning, allow_abbrev=False)
        each.add_argument("key", help="name or id of the key")
        each.set_defaults(verb=verb)
    verbs.add_parser("list", help="list all keys", allow_abbrev=False).set_defaults(verb=_list)
    for each in verbs.choices.values():
        each.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs one verb.

    Raises:
        ConfigurationError: what was asked is wrong, or the ledger is off.
    """
    if settings.ledger == "off":
        raise ConfigurationError("LEDGER='off': keys are kept beside the ledger; set LEDGER=on")

    async def act() -> None:
        database = open_database(settings)
        try:
            verb: Callable[[argparse.Namespace, Administration], Awaitable[None]] = args.verb
            await verb(args, Administration(database))
        finally:
            await database.aclose()

    try:
        asyncio.run(act())
    except GatewayError as error:
        raise ConfigurationError(error.message) from error
    return 0


async def _create(args: argparse.Namespace, desk: Administration) -> None:
    limits = {name: getattr(args, name) for name in _LIMITS if getattr(args, name) is not None}
    tags = dict(_pair(tag) for tag in args.tag)
    wish = KeyWish(
        name=a_key_name(args.name, "--name"),
        team=None if args.team is None else a_key_name(args.team, "--team"),
        models=tuple(args.model),
        places=tuple(args.place),
        tags=tags,
        limits=decode_limits(limits, "limits"),
        run_budget_nano_usd=None if args.run_budget is None else nano_usd(args.run_budget, "--run-budget"),
        expires_at=None if args.expires is None else when(args.expires, "--expires"),
    )
    budget = None if args.budget is None else budget_wish(args.budget, args.window, args.alert, "--")
    _tell_new(args, await desk.create_key(wish, budget))


async def _rotate(args: argparse.Namespace, desk: Administration) -> None:
    _tell_new(args, await desk.rotate_key(args.key))


async def _revoke(args: argparse.Namespace, desk: Administration) -> None:
    view = await desk.revoke_key(args.key)
    _tell(args, encode_key(view), f"revoked {view.record.name}; servers that run hear of it within 5 seconds")


async def _show(args: argparse.Namespace, desk: Administration) -> None:
    told = encode_key(await desk.key(args.key))
    _tell(args, told, "\n".join(f"{name:15} {_short(value)}" for name, value in told.items()))


async def _list(args: argparse.Namespace, desk: Administration) -> None:
    views = [encode_key(view) for view in await desk.keys()]
    if args.json:
        sys.stdout.write(json.dumps({"keys": views}, indent=2) + "\n")
        return
    if not views:
        sys.stdout.write("no keys yet; make one with: llm-gateway keys create --name NAME\n")
        return
    sys.stdout.write(f"{'NAME':20} {'KEY':12} {'TEAM':14} {'SPENT USD':>14} {'BUDGET USD':>14}  STATE\n")
    for view in views:
        budgets = cast("list[Json]", view["budgets"])
        budget = f"{budgets[0]['budget_usd']}/{budgets[0]['window']}" if budgets else "-"
        state = "revoked" if view["revoked_at"] else f"until {view['expires_at']}" if view["expires_at"] else "good"
        sys.stdout.write(
            f"{view['name']!s:20} {view['hint']!s:12} {view['team'] or '-'!s:14} "
            f"{view['spent_usd']!s:>14} {budget:>14}  {state}\n"
        )


def _tell_new(args: argparse.Namespace, new: NewKey) -> None:
    told = {"key": new.key, **encode_key(new.view)}
    if not args.json:
        sys.stderr.write(f"{new.view.record.name}: keep this key, it is not shown again\n")
    _tell(args, told, new.key)


def _tell(args: argparse.Namespace, told: Json, words: str) -> None:
    sys.stdout.write((json.dumps(told, indent=2) if args.json else words) + "\n")


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value) if value else "-"
    return "-" if value is None else str(value)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigurationError(f"--tag {text!r}: must be NAME=VALUE")
    return name, value

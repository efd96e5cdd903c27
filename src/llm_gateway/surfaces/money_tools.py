"""Tools by which agents look after their money: get_budget, give_budget, get_usage."""

from dataclasses import replace

from mcp.types import ToolAnnotations

from llm_gateway.administration import Administration
from llm_gateway.domain.callers import Caller
from llm_gateway.domain.errors import InvalidRequest
from llm_gateway.domain.usage import UsageQuestion
from llm_gateway.surfaces import money_schemas as s
from llm_gateway.surfaces.asking import Arguments, Asking, Json, Offer
from llm_gateway.surfaces.identity import a_name
from llm_gateway.surfaces.json_values import only
from llm_gateway.surfaces.money_words import encode_budget, nano_usd, usd
from llm_gateway.surfaces.usage_words import a_day, by_words, encode_usage


def money_tools(desk: Administration | None) -> list[Offer]:
    """What is offered where a ledger is kept; nothing without one."""
    if desk is None:
        return []

    async def get_budget(arguments: Arguments, asking: Asking) -> Json:
        only(arguments, ("run_id",), "")
        states = await desk.budgets_of(_for_run(asking.caller, arguments))
        return {"budgets": [encode_budget(state) for state in states]}

    async def give_budget(arguments: Arguments, asking: Asking) -> Json:
        only(arguments, ("run_id", "to_run_id", "usd"), "")
        caller = _for_run(asking.caller, arguments)
        if caller.run_id is None:
            raise InvalidRequest("run_id is missing; name the run that gives", field="run_id")
        to_run_id, amount = a_name(arguments.get("to_run_id"), "to_run_id"), nano_usd(arguments.get("usd"), "usd")
        states = await desk.give(caller, to_run_id, amount)
        return {"budgets": [encode_budget(state) for state in states]}

    async def get_usage(arguments: Arguments, asking: Asking) -> Json:
        only(arguments, ("by", "since", "until", "run_id"), "")
        run_id = arguments.get("run_id")
        question = UsageQuestion(
            by=by_words(arguments.get("by") or "model", "by"),
            since=a_day(arguments.get("since"), "since"),
            until=a_day(arguments.get("until"), "until"),
            key_id=asking.caller.key_id,  # a key sees its own spending only
            run_id=None if run_id is None else a_name(run_id, "run_id"),
        )
        return encode_usage(question, await desk.usage(question))

    looking = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)
    giving = ToolAnnotations(read_only_hint=False, idempotent_hint=False, destructive_hint=False, open_world_hint=False)
    return [
        ("get_budget", s.GET_BUDGET, (s.BUDGET_INPUT, s.BUDGET_OUTPUT), get_budget, looking),
        ("give_budget", s.GIVE_BUDGET, (s.GIVE_INPUT, s.BUDGET_OUTPUT), give_budget, giving),
        ("get_usage", s.GET_USAGE, (s.USAGE_INPUT, s.USAGE_OUTPUT), get_usage, looking),
    ]


async def all_time(desk: Administration | None, caller: Caller) -> Json | None:
    """What the ledger holds of this caller, or of all where there are no keys; ``None`` without a ledger."""
    if desk is None:
        return None
    sums = await desk.usage(UsageQuestion(by=(), key_id=caller.key_id))
    return {
        "calls": sum([row.calls for row in sums]),
        "total_tokens": sum([row.total_tokens for row in sums]),
        "total_cost_usd": usd(sum([row.cost_nano_usd for row in sums])),
    }


def _for_run(caller: Caller, arguments: Arguments) -> Caller:
    run_id = arguments.get("run_id")
    return caller if run_id is None else replace(caller, run_id=a_name(run_id, "run_id"))

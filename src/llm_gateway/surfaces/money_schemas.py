"""What the money tools take and give, for the models that read it."""

from typing import Any

Schema = dict[str, Any]

_WORD: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
_RUN: Schema = {
    "type": ["string", "null"],
    "description": "The run in question; left out: the one this call is of.",
}
_DAY: Schema = {"type": ["string", "null"], "description": "A day (UTC) such as 2026-11-30, counted in."}
_USD: Schema = {"type": ["string", "null"], "description": "US dollars as an exact decimal."}

GET_BUDGET = (
    "Tells what is left to spend: every budget that your calls draw on (the gateway's, your team's, your key's, your "
    "run's), what was spent, what calls under way have reserved, and when it is filled again. An empty list: no budget "
    "limits you. Costs nothing."
)
GIVE_BUDGET = (
    "Moves a part of your run's budget to another run that you start, so that it can spend so much and no more. Costs "
    "nothing itself; what is given cannot be spent by the giving run any more."
)
GET_USAGE = (
    "Tells what was spent, added up by model, day, agent, team, outcome or run: calls, tokens by class, cost in US "
    "dollars. With a key you see its own spending only. Costs nothing."
)
BUDGET_INPUT: Schema = {"type": "object", "properties": {"run_id": _RUN}, "additionalProperties": False}
GIVE_INPUT: Schema = {
    "type": "object",
    "properties": {
        "run_id": _RUN,
        "to_run_id": {**_WORD, "description": "The run that gets it; a new name, or one that was given to before."},
        "usd": {"type": ["number", "string"], "description": "How much, in US dollars, such as 0.25."},
    },
    "required": ["to_run_id", "usd"],
    "additionalProperties": False,
}
BUDGET_OUTPUT: Schema = {
    "type": "object",
    "properties": {
        "budgets": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": _WORD,
                    "scope": {"type": "string", "enum": ["gateway", "team", "key", "run"]},
                    "scope_id": _WORD,
                    "window": {
                        **_WORD,
                        "description": "day, month, lifetime, or a rolling length (86400s).",
                    },
                    "budget_usd": _USD,
                    "spent_usd": _USD,
                    "reserved_usd": _USD,
                    "left_usd": _USD,
                    "resets_at": _MAYBE,
                },
                "required": ["scope", "scope_id", "window", "budget_usd", "spent_usd", "reserved_usd", "left_usd"],
            },
        }
    },
    "required": ["budgets"],
}
USAGE_INPUT: Schema = {
    "type": "object",
    "properties": {
        "by": {
            "type": ["string", "array", "null"],
            "items": _WORD,
            "description": "One or more of day, key, team, agent, model, outcome, run (a list, or joined by commas).",
            "default": "model",
        },
        "since": _DAY,
        "until": _DAY,
        "run_id": {**_MAYBE, "description": "Of this run only."},
    },
    "additionalProperties": False,
}
USAGE_OUTPUT: Schema = {
    "type": "object",
    "properties": {
        "by": {"type": "array", "items": _WORD},
        "rows": {
            "type": "array",
            "items": {"type": "object"},
            "description": "Named by the words of by.",
        },
        "calls": {"type": "integer"},
        "total_cost_usd": _USD,
    },
    "required": ["by", "rows", "calls", "total_cost_usd"],
}

"""What a card's dates mean on a given day. Pure: today comes in by the door."""

from datetime import date

from llm_gateway.domain.cards import LifecycleStatus, ModelCard


def status_on(card: ModelCard, today: date) -> LifecycleStatus:
    """The status on that day: a model whose announced end has passed is retired, whatever its card says."""
    lifecycle = card.lifecycle
    if lifecycle.status != "retired" and lifecycle.ends_on is not None and lifecycle.ends_on < today:
        return "retired"
    return lifecycle.status


def legacy_warning(card: ModelCard) -> str:
    """``llama-3-3-70b is legacy and ends on 2027-03-30; gpt-oss-120b succeeds it``."""
    lifecycle = card.lifecycle
    end = f"ends on {lifecycle.ends_on}" if lifecycle.ends_on else "has no public end date"
    successor = f"; {lifecycle.successor} succeeds it" if lifecycle.successor else ""
    return f"{card.name} is legacy and {end}{successor}"


def retired_notice(card: ModelCard) -> str:
    """``claude-3-opus was retired on 2026-01-15``."""
    ended = card.lifecycle.ends_on
    return f"{card.name} was retired on {ended}" if ended else f"{card.name} was retired"

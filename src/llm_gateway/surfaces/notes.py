"""What an answer tells beside the forms that other people's clients know. Pure."""

from llm_gateway.domain.completions import Generation
from llm_gateway.domain.ways import is_plain

Json = dict[str, object]


def notes_json(generation: Generation) -> Json:
    """What was changed, guessed, out of form or stopped; empty in the plain case."""
    notes: Json = {}
    completion = generation.completion
    if generation.warnings:
        notes["warnings"] = list(generation.warnings)
    if completion.usage.estimated:
        notes["usage_estimated"] = True
    if completion.format_fault is not None:
        notes["format_fault"] = completion.format_fault
    if completion.guardrail_trace is not None:
        notes["guardrail_trace"] = completion.guardrail_trace
    if not is_plain(generation.way):
        notes["route"] = generation.way
    return notes

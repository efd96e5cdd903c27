"""Everything Bedrock looks at before it asks a model, in order: shape, model, conversation, the model's own rules."""

from llm_gateway.sandbox.asked import Asked
from llm_gateway.sandbox.conversation import check_conversation
from llm_gateway.sandbox.model_checks import check_counting, check_for_model, check_on_demand
from llm_gateway.sandbox.models import ModelId
from llm_gateway.sandbox.reasoning import check_signatures, check_thoughts_kept
from llm_gateway.sandbox.request_shapes import REQUESTS
from llm_gateway.sandbox.shapes import Complaints


def check(asked: Asked, model: ModelId) -> None:
    """Raises Refused for the first thing that Bedrock would refuse."""
    complaints = Complaints()
    REQUESTS[asked.operation].check(asked.body, (), complaints)
    complaints.settle()
    if asked.operation == "CountTokens":
        check_counting(asked.body, model)
        return
    check_on_demand(model)
    check_conversation(asked.body, model.facts)
    check_signatures(asked.body, model.bare, model.facts)
    check_thoughts_kept(asked.body, model.facts)
    check_for_model(asked.body, model.facts, streaming=asked.operation == "ConverseStream")

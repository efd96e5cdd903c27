"""What was asked, as everything that reads an answer needs it: to name the model and to guess what was spent."""

from dataclasses import dataclass

from llm_gateway.backends.bedrock.estimate import request_tokens
from llm_gateway.backends.bedrock.reading import PLAIN, Reading
from llm_gateway.domain.completions import Usage
from llm_gateway.domain.requests import ModelCall


@dataclass(frozen=True, slots=True)
class Asked:
    """One call on its way. ``warnings`` grow into the completion's."""

    call: ModelCall
    warnings: tuple[str, ...] = ()
    invoked_id: str = ""
    """The id that went to Bedrock; it differs from the call's after a retry through an inference profile."""
    reading: Reading = PLAIN

    @property
    def model(self) -> str:
        """A name for messages: never an ARN of ours, for that holds the account."""
        invoked = self.invoked_id or self.call.model.invoked_id
        return self.call.model.asked if invoked.startswith("arn:") else invoked

    @property
    def other_id(self) -> str | None:
        """The invoked id where it is not the one the call names: the price belongs to it."""
        return self.invoked_id if self.invoked_id not in ("", self.call.model.invoked_id) else None

    def input_spent(self) -> Usage:
        """The input, estimated: what a call that gave nothing back may have cost."""
        return self.spent(0)

    def spent(self, output_tokens: int) -> Usage:
        """Estimated input and this much output."""
        return Usage(request_tokens(self.call.request), output_tokens, estimated=True)

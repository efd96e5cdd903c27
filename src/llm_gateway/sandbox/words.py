"""What the sandbox says: English made of a hash, so that the same question gets the same answer. Pure."""

import re
from hashlib import blake2b

from llm_gateway.sandbox.tokens import CHARACTERS_PER_TOKEN
from llm_gateway.sandbox.wire_json import Json, as_object, as_text, canonical, objects

_SAY = re.compile(r"\b(?:say|repeat):\s*(.+)", re.IGNORECASE | re.DOTALL)
_LENGTH = re.compile(r"\[\[tokens:(\d{1,6})\]\]")
_QUOTED = 60
_FACTOR, _STEP, _64_BITS = 6364136223846793005, 1442695040888963407, (1 << 64) - 1
_OPENINGS = (
    "This is a made-up answer",
    "No model has thought about this",
    "These words come from a table",
    "The sandbox speaks here",
)
_SUBJECTS = ("a quiet river", "the old lighthouse", "a patient gardener", "the morning train", "a small library")
_VERBS = ("keeps", "follows", "remembers", "measures", "carries")
_OBJECTS = ("the same path", "every promise", "the weather of the day", "a handful of seeds", "its own rhythm")
_ENDINGS = ("without any hurry", "from spring to autumn", "as it always did", "for whoever asks", "until the evening")


class Dice:
    """Choices drawn from one hash: the same seed, the same choices, in the same order."""

    def __init__(self, *seeds: bytes) -> None:
        self._state = int.from_bytes(blake2b(b"\x00".join(seeds), digest_size=8).digest(), "big")

    def number(self, below: int) -> int:
        """0 or more, less than `below` (at most 2**31): a linear congruence, its upper bits."""
        self._state = (self._state * _FACTOR + _STEP) & _64_BITS
        return (self._state >> 33) % below

    def one_of(self, choices: tuple[str, ...]) -> str:
        return choices[self.number(len(choices))]

    def word(self, length: int) -> str:
        """Letters and digits, as ids have them."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return "".join(alphabet[self.number(len(alphabet))] for _ in range(length))


def dice_for(model_id: str, body: Json, seed: int) -> Dice:
    """Drawn from everything that a model would see, not from how it is called (whole or streaming)."""
    return Dice(str(seed).encode(), model_id.encode(), canonical(body))


def last_user_text(body: Json) -> str:
    """All text of the last user message, joined by line ends; empty when the last user turn holds none."""
    for message in reversed(objects(body.get("messages"))):
        if message.get("role") == "user":
            return "\n".join(_block_text(block) for block in objects(message.get("content")) if _block_text(block))
    return ""


def prose(name: str, asked: str, dice: Dice) -> str:
    """The answer to a question, where no tool and no schema is in play."""
    said = _SAY.search(asked)
    if said:
        return said.group(1).strip()
    wanted = _LENGTH.search(asked)
    if wanted:
        return _of_length(f"[sandbox] {name} would answer:", int(wanted.group(1)), dice)
    quoted = " ".join(asked.split())[:_QUOTED] or "(nothing in words)"
    sentences = " ".join(_sentence(dice) for _ in range(2 + dice.number(3)))
    return f"[sandbox] {name} would answer: {dice.one_of(_OPENINGS)}. You asked “{quoted}”. {sentences}"


def thought(name: str, asked: str, dice: Dice) -> str:
    """What stands in a reasoning block."""
    quoted = " ".join(asked.split())[:_QUOTED]
    return f"[sandbox] {name} would think about “{quoted}” first. {_sentence(dice)} {_sentence(dice)}"


def _of_length(opening: str, tokens: int, dice: Dice) -> str:
    """Text of exactly that many tokens, by the count of tokens.py."""
    wanted = tokens * CHARACTERS_PER_TOKEN
    paragraph = " ".join(_sentence(dice) for _ in range(8)) + " "
    text = f"{opening} " + paragraph * (wanted // len(paragraph) + 1)
    return text[:wanted]


def _sentence(dice: Dice) -> str:
    subject = dice.one_of(_SUBJECTS)
    return f"{subject[0].upper()}{subject[1:]} {dice.one_of(_VERBS)} {dice.one_of(_OBJECTS)} {dice.one_of(_ENDINGS)}."


def _block_text(block: Json) -> str:
    if "guardContent" in block:
        return as_text(as_object(as_object(block["guardContent"]).get("text")).get("text"))
    return as_text(block.get("text"))

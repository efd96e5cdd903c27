"""YAML as plain values with their lines, out of the tree of nodes: nothing is constructed.

Law: a key stands once; an alias counts as often as it is used, and depth and number of values have their bounds.
"""

from typing import cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from llm_gateway.gateway_file.plain_values import plain_value
from llm_gateway.gateway_file.problems import Path, Problem, Problems, refusal, short

_MOST_VALUES = 100_000
_DEEPEST = 24
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAG = "tag:yaml.org,2002:"


def yaml_values(file: str, text: str) -> tuple[object, dict[Path, int]]:
    """The values of a text, and their lines; an empty text has the value ``None``.

    Raises:
        GatewayFileError: it is no YAML, too much, or has a key twice.
    """
    try:
        root = cast("Node | None", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore
    except yaml.MarkedYAMLError as fault:
        line = None if fault.problem_mark is None else fault.problem_mark.line + 1
        said = fault.problem or fault.context or "it cannot be read"
        raise refusal(file, line, f"is no YAML: {short(said)}") from None
    except yaml.YAMLError:
        raise refusal(file, None, "is no YAML: it holds a character that YAML does not allow") from None
    except RecursionError:
        raise refusal(file, None, "is nested too deeply") from None
    if root is None:
        return None, {}
    reading = _Reading(file)
    values = reading.value(root, (), 0)
    reading.problems.raise_if_any()
    return values, reading.lines


class _Reading:
    """Turns nodes to values. An alias counts as often as it is used."""

    def __init__(self, file: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems = Problems(file, self.lines)
        self._file = file
        self._left = _MOST_VALUES

    def value(self, node: "Node", path: Path, depth: int) -> object:
        self._left -= 1
        line = node.start_mark.line + 1
        if self._left < 0:
            raise refusal(self._file, line, f"means more than {_MOST_VALUES} values; use fewer aliases")
        if depth > _DEEPEST:
            raise refusal(self._file, line, f"is nested deeper than {_DEEPEST} levels")
        self.lines.setdefault(path, line)
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            items = cast("list[Node]", node.value)
            return [self.value(item, (*path, at), depth + 1) for at, item in enumerate(items)]
        return self._scalar(cast(ScalarNode, node), path)

    def _mapping(self, node: "MappingNode", path: Path, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, item in cast("list[tuple[Node, Node]]", node.value):
            if not isinstance(key, ScalarNode):
                self.problems.add(path, "has a key that is no text")
                continue
            if key.tag == _MERGE:
                for each in cast("list[Node]", item.value) if isinstance(item, SequenceNode) else [item]:
                    taken = self.value(each, path, depth + 1)
                    merged = {**cast("dict[str, object]", taken), **merged} if isinstance(taken, dict) else merged
                continue
            name = str(key.value)
            line = key.start_mark.line + 1
            if name in found:
                first = self.lines.get((*path, name))
                self.problems.found.append(Problem(line, (*path, name), f"stands twice, first in line {first}"))
                continue
            self.lines[(*path, name)] = line
            found[name] = self.value(item, (*path, name), depth + 1)
        return {**merged, **found}

    def _scalar(self, node: "ScalarNode", path: Path) -> object:
        text = str(node.value)
        if not node.tag.startswith(_PLAIN_TAG):
            self.problems.add(path, f"bears the tag {short(node.tag)}; write the value without a tag")
            return None
        if node.style is not None:
            return text
        if path[:1] == ("settings",):
            return None if text in ("", "~", "null") else text
        return plain_value(text)

"""Reading of YAML files: whatever is wrong with one is said in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from medsynth_core.io.json_reading import read_text_bytes

# Values after every alias (``*name``) is replaced by what it stands for. A few lines of aliases of aliases can stand
# for more values than any memory holds.
MOST_VALUES = 100_000
# Numbers of YAML 1.1 that people read as others: with a leading zero, or with a colon.
_UNUSUAL = re.compile(r"[-+]?(0[0-7_]+|[0-9_]+(:[0-9_.]+)+)")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses what it would read in another way than people do.

    These are keys that are given twice, of which it would take the last, and the numbers of YAML 1.1 in base 8 (``010``
    is 8) and 60 (``1:30`` is 90).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given: set[tuple[str, str]] = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in given:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice", key.start_mark
                )
            given |= {name} if name else set()
        return super().construct_mapping(node, deep)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    if _UNUSUAL.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{node.value} is not the number that it seems to be; write it without leading zeros and colons, or as a "
            f"text in quotes ('{node.value}')",
            node.start_mark,
        )
    if node.tag.endswith(":int"):
        return int(loader.construct_yaml_int(node))
    return float(loader.construct_yaml_float(node))


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not YAML in UTF-8, has a key twice, is nested too deeply, or a value cannot be read.
    """
    return parse_yaml(read_text_bytes(path).decode("utf-8-sig"))


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        ValueError: as `read_yaml`.
    """
    try:
        node = yaml.compose(text, _Loader)
        if node is not None and _count(node, {}) > MOST_VALUES:
            raise yaml.YAMLError("it has too many values, or aliases that stand for too many")
        return yaml.load(text, _Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    # PyYAML builds dates and numbers without a check: a 13th month, `!!timestamp x`, `!!int ''`, 10,000 digits.
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"a value cannot be read: {error}") from error


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """Return the number of values that a node stands for, with its aliases replaced; more than enough for a circle."""
    if id(node) not in counted:
        counted[id(node)] = MOST_VALUES + 1  # until it is counted: an alias inside its own node has no end
        counted[id(node)] = 1 + sum(_count(part, counted) for part in _parts(node))
    return counted[id(node)]


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair

"""Mutations of bytes, text, JSON and fields, all drawn from one random generator."""

from __future__ import annotations

import copy
import json
import struct
from typing import Any

import numpy as np

NUMBERS = (
    0, -0.0, 1, -1, 2, 0.5, 255, 256, 32767, 32768, 65535, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, 1e-39, 1e-7, 1e13,
    1e38, 1e39, 1e300, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
WORDS = (
    "", " ", "none", "null", "nan", "inf", "-1", "0", "1e999", "00", "0x10", "1,2", "(1,0,0)", "9" * 400, "x" * 1000,
    "y" * 5000, "\u00e4\u4e2d", "\x00", "\t", "../..", "[/b]", "{}", "[" * 2000, "!!timestamp x", "2001-13-01", "&a *a",
    "=1+1", "%s%n", "\\", '"', "'", ":", "#",
)  # fmt: skip


def mutate_bytes(content: bytes, chance: np.random.Generator, start: int = 0, stop: int | None = None) -> bytes:
    """Flip, overwrite, remove, repeat or insert a few bytes between ``start`` and ``stop``."""
    changed = bytearray(content)
    for _ in range(int(chance.integers(1, 5))):
        end = min(len(changed), len(changed) if stop is None else stop)
        if end <= start:
            break
        at, many = int(chance.integers(start, end)), int(chance.integers(1, 9))
        action = chance.integers(6)
        if action == 0:
            changed[at] ^= 1 << int(chance.integers(8))
        elif action == 1:
            changed[at] = int(chance.integers(256))
        elif action == 2:
            changed[at : at + many] = bytes([int(chance.choice([0, 255, 127, 128]))]) * many
        elif action == 3:
            del changed[at : at + many]
        elif action == 4:
            changed[at:at] = chance.bytes(many)
        else:
            changed[at:at] = changed[at : at + 64]
    return bytes(changed)


def truncate(content: bytes, chance: np.random.Generator) -> bytes:
    """Cut the end off, or append something."""
    if chance.random() < 0.3:
        return content + chance.bytes(int(chance.integers(1, 100)))
    return content[: int(chance.integers(0, len(content) + 1))]


def set_field(content: bytes, kind: str, offset: int, value: float) -> bytes:
    """Write a number into a field; one that does not fit is wrapped."""
    number = struct.Struct(kind)
    if kind[-1] in "fd":
        with np.errstate(over="ignore"):
            packed = np.array(value, "f4" if kind[-1] == "f" else "f8").astype(f"{kind[0]}f{number.size}").tobytes()
    else:
        whole = int(value) if np.isfinite(value) else 0
        packed = (whole % (1 << (8 * number.size))).to_bytes(number.size, "little" if kind[0] == "<" else "big")
    return content[:offset] + packed + content[offset + number.size :]


def mutate_text(text: str, chance: np.random.Generator, separators: str = " \n=:,\t()[]{}", most: int = 3) -> str:
    """Replace, remove, repeat or cut words and lines, at ``most`` places."""
    for _ in range(int(chance.integers(1, most + 1))):
        lines = text.split("\n")
        at = int(chance.integers(len(lines)))
        action = chance.integers(5)
        if action == 0:
            del lines[at]
        elif action == 1:
            lines.insert(at, lines[int(chance.integers(len(lines)))])
        elif action == 2:
            lines[at] = _with_word(lines[at], chance, separators)
        elif action == 3:
            lines[at] = lines[at][: int(chance.integers(len(lines[at]) + 1))]
        else:
            lines.insert(at, str(chance.choice(WORDS)))
        text = "\n".join(lines)
    return text


def _with_word(line: str, chance: np.random.Generator, separators: str) -> str:
    starts = [0] + [at + 1 for at, letter in enumerate(line) if letter in separators]
    start = int(chance.choice(starts))
    stop = next((at for at in range(start, len(line)) if line[at] in separators), len(line))
    word = str(chance.choice(WORDS)) if chance.random() < 0.5 else repr(NUMBERS[int(chance.integers(len(NUMBERS)))])
    return line[:start] + word + line[stop:]


def mutate_object(content: Any, chance: np.random.Generator) -> Any:
    """Replace, remove or add a few values of an object as JSON has it."""
    changed = copy.deepcopy(content)
    for _ in range(int(chance.integers(1, 4))):
        holders = list(_holders(changed))
        if not holders:
            break
        holder = holders[int(chance.integers(len(holders)))]
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(chance.integers(len(keys)))]
        if chance.random() < 0.2:
            del holder[key]
        else:
            holder[key] = _strange(chance)
    return changed


def _holders(content: Any) -> Any:
    if isinstance(content, dict | list):
        if content:
            yield content
        for value in content.values() if isinstance(content, dict) else content:
            yield from _holders(value)


def _strange(chance: np.random.Generator) -> Any:
    choices = (
        lambda: NUMBERS[int(chance.integers(len(NUMBERS)))],
        lambda: str(chance.choice(WORDS)),
        lambda: [None, True, [], {}, [[]], {"": 0}, [1, "x", None]][int(chance.integers(7))],
        lambda: json.loads("[" * 300 + "]" * 300),
    )
    return choices[int(chance.integers(len(choices)))]()

"""A recipe as the text that a user edits: single values are changed in place, and errors are reported with their line.

The text is kept as it is written, comments included; only the characters of a value are replaced.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError


def presets() -> dict[str, Path]:
    """Return the files of the recipes that come with MedSynth, by their names."""
    from medsynth_core.resources import resource_folder

    return {path.stem: path for path in sorted((resource_folder() / "Recipes").glob("*.yaml"))}


def parsedRecipe(text: str):
    """Return the recipe in a text, as a ``medsynth_core.recipes.recipe.Recipe``.

    Raises:
        MedSynthError: the text is not a valid recipe; the message names the key and the line.
    """
    read = _reader()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return read(path)
        except MedSynthError as problem:
            message = problem.message.replace(str(path), "").replace("recipe  ", "recipe ")
            line = _lineOf(text, message)
    raise MedSynthError((_("Line {line}: ").format(line=line) if line else "") + message)


def readRecipe(path: Path):
    """Return the recipe in a file.

    Raises:
        MedSynthError: the file cannot be read or has no valid recipe.
    """
    return _reader()(path)


def _reader():
    try:
        from medsynth_core.recipes.recipe import read_recipe
    except ImportError:
        raise MedSynthError(_("Recipes cannot be read yet: press Install under Setup."), kind="device") from None
    return read_recipe


def valueIn(text: str, *keys: str) -> Any:
    """Return the value of a key (a path of keys) in a recipe's text; None if it is not there."""
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def withValue(text: str, value: Any, *keys: str) -> str:
    """Return a recipe's text with another value for a key (a path of keys); text that is not YAML is not changed."""
    import yaml

    try:
        node = yaml.compose(text)
    except yaml.YAMLError:
        return text
    written = value if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9-]*", value) else json.dumps(value)
    for depth, key in enumerate(keys):
        if not isinstance(node, yaml.MappingNode):
            return text
        found = _child(node, key)
        if found is None:
            return _withNewKey(text, node, keys[depth:], written)
        node = found
    return text[: node.start_mark.index] + written + text[node.end_mark.index :]


def _child(node: Any, key: str) -> Any:
    """Return the node of a key's value."""
    for name, value in node.value:
        if name.value == key:
            return value
    return None


def _withNewKey(text: str, node: Any, keys: tuple[str, ...], written: str) -> str:
    """Return the text with a new key in front of those that a mapping has."""
    for key in reversed(keys[1:]):
        written = f"{{{key}: {written}}}"
    start = node.start_mark.index
    if node.flow_style:
        comma = ", " if node.value else ""
        return f"{text[: start + 1]}{keys[0]}: {written}{comma}{text[start + 1 :]}"
    indent = " " * node.start_mark.column
    return f"{text[:start]}{keys[0]}: {written}\n{indent}{text[start:]}"


def _lineOf(text: str, message: str) -> int | None:
    """Return the number of the line that a message refers to, or None."""
    import yaml

    stated = re.search(r"line (\d+)", message)
    if stated:
        return int(stated.group(1))
    place = re.search(r"at '([^']+)'", message)
    if not place:
        return None
    node, line = yaml.compose(text), None
    for key in place.group(1).split("."):
        for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if name.value == key:
                node, line = value, name.start_mark.line + 1
                break
        else:
            break
    return line

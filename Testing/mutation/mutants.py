"""Small changes of a source file, as a slip of the pen would make them.

Docstrings, annotations, imports, error messages and decorators are left alone.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
# Functions, methods and layers for which another one is easily written.
CALLED = {
    "mean": ("sum",),
    "sum": ("mean",),
    "abs": ("square",),
    "square": ("abs",),
    "sigmoid": ("tanh",),
    "tanh": ("sigmoid",),
    "softplus": ("relu",),
    "relu": ("softplus",),
    "max": ("min",),
    "min": ("max",),
    "reversed": ("list",),
    "sorted": ("list",),
    "ReLU": ("LeakyReLU", "Identity"),
    "LeakyReLU": ("ReLU",),
    "Tanh": ("Sigmoid", "Identity"),
    "MaxPool2d": ("AvgPool2d",),
    "BatchNorm2d": ("InstanceNorm2d", "Identity"),
    "BatchNorm3d": ("InstanceNorm3d", "Identity"),
    "Dropout": ("Identity",),
}
# Methods that are left out of a chain.
DROPPED = ("detach", "clamp_min", "clone", "abs", "log", "sqrt", "requires_grad_")


@dataclass(frozen=True)
class Mutant:
    """One change of a file.

    Attributes:
        file: path below the package.
        place: qualified name of the function or class that it is in; empty at the top of the module.
        line: its line, from 1.
        before: the changed part of the source.
        after: what it is replaced with.
        start: offset of the changed part in the encoded file.
        stop: offset of its end.
        lead: what stands before it on its line.
    """

    file: str
    place: str
    line: int
    before: str
    after: str
    start: int
    stop: int
    lead: str = ""

    def applied(self, source: bytes) -> bytes:
        """Return the changed source."""
        return source[: self.start] + self.after.encode() + source[self.stop :]

    def is_valid(self, source: bytes) -> bool:
        """Return whether the changed source is Python."""
        try:
            ast.parse(self.applied(source))
        except SyntaxError:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.place or 'module'}: {short(self.before)} -> {short(self.after)}"


def short(text: str) -> str:
    """Return a text on one line of at most 70 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:67]}..."


def mutants(package: Path, rooms: tuple[str, ...]) -> list[Mutant]:
    """Return every mutant of the files in ``rooms``, in a fixed order."""
    paths = sorted(path for room in rooms for path in (package / room).rglob("*.py"))
    return [found for path in paths for found in of_file(path, path.relative_to(package).as_posix())]


def of_file(path: Path, name: str) -> list[Mutant]:
    """Return the mutants of one file that differ from it; a few are no longer Python (`Mutant.is_valid`)."""
    source = path.read_bytes()
    lines = source.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    found: dict[tuple[int, int, str], Mutant] = {}
    for node, place in _visited(ast.parse(source), ""):
        start = starts[node.lineno - 1] + node.col_offset
        stop = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[operator]
        before = source[start:stop].decode()
        for after in _changes(node):
            lead = source[starts[node.lineno - 1] : start].decode()
            one = Mutant(name, place, node.lineno, before, after, start, stop, lead)
            if after != before:
                found[start, stop, after] = one
    return list(found.values())


def _visited(node: ast.AST, place: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield the expressions and statements that may be changed, with the name of the function around them."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        place = f"{place}.{node.name}".lstrip(".")
    for child in _children(node):
        if isinstance(child, ast.expr | ast.stmt | ast.keyword):
            yield child, place
        yield from _visited(child, place)


def _children(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a node in which a slip would change what is computed."""
    skipped: list[ast.AST | None] = []
    if isinstance(node, ast.FunctionDef):
        skipped += [node.returns, *node.decorator_list]
    elif isinstance(node, ast.ClassDef):
        skipped += [*node.bases, *node.decorator_list]
    elif isinstance(node, ast.arg | ast.AnnAssign):
        skipped.append(node.annotation)
    elif _is_for_types(node):
        return []
    kinds = (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)
    return [
        child
        for child in ast.iter_child_nodes(node)
        if child not in skipped and not isinstance(child, kinds) and not _is_docstring(child)
    ]


def _is_for_types(node: ast.AST) -> bool:
    """Return whether a statement serves the type checker only."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _name(node.value) == "TypeVar"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[str]:
    """Yield what may stand in the place of a node."""
    rule = RULES.get(type(node))
    for changed in rule(node) if rule else ():
        yield changed if isinstance(changed, str) else _text(changed, node)


def _text(changed: ast.AST, node: ast.AST) -> str:
    """Return the source of a change, in brackets where it could bind to what stands around the node."""
    loose = isinstance(changed, ast.BinOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.UnaryOp)
    same = type(changed) is type(node) and not isinstance(getattr(node, "op", None), ast.Mod | ast.Pow)
    return f"({ast.unparse(changed)})" if loose and not same else ast.unparse(changed)


def _constant(node: ast.Constant) -> Iterator[str]:
    value = node.value
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int):
        yield from (repr(value + 1), repr(value - 1) if value > 0 else "2")
    elif isinstance(value, float):
        yield from (repr(2 * value), repr(value / 2)) if value else ("1.0",)
    elif isinstance(value, str) and value and " " not in value:
        yield repr(f"{value}_")


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in BINARY:
        yield _with(node, op=BINARY[type(node.op)]())
    if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
        yield from (node.left, node.right)


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield node.operand


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    if type(node.ops[0]) in COMPARED:
        yield _with(node, ops=[COMPARED[type(node.ops[0])](), *node.ops[1:]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    yield from (node.body, node.orelse)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    name = _name(node)
    for other in CALLED.get(name, ()):
        yield _with(node, func=_renamed(node.func, other), args=[] if other in ("Identity", "Sigmoid") else node.args)
    if name in DROPPED and isinstance(node.func, ast.Attribute):
        yield node.func.value
    if len(node.args) >= 2 and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
    for index, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield _with(node, keywords=node.keywords[:index] + node.keywords[index + 1 :])


def _name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _renamed(func: ast.expr, name: str) -> ast.expr:
    return _with(func, attr=name) if isinstance(func, ast.Attribute) else ast.Name(name)


def _statement(node: ast.Expr | ast.AugAssign) -> Iterator[str]:
    yield "pass"


def _assignment(node: ast.Assign) -> Iterator[str]:
    """Leave out a term that is added to a sum, or a change of what there was before."""
    read = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
    if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and node.targets[0].id in read:
        yield "pass"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


RULES = {
    ast.Constant: _constant,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _choice,
    ast.Call: _call,
    ast.Expr: _statement,
    ast.AugAssign: _statement,
    ast.Assign: _assignment,
}

"""What a function does, as a text: the same for every version of Python, and for every layout of the same code."""

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

_WITHOUT_MEANING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields that say nothing which the rest does not say: how a name is used, `u` before a string, comments."""
_WITH_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class NoSourceError(Exception):
    """Nobody can tell what the function does: its source is not at hand."""


def of_function(func: Callable[..., Any]) -> str:
    """A text that changes when the function does: not with comments, layout, docstrings or decorators.

    It is made of the function's own source; what it calls does not count.

    Raises:
        NoSourceError: saying why there is no source.

    Example:
        >>> of_function(double) == of_function(double_with_a_comment)
        True
    """
    function = inspect.unwrap(func)
    name = getattr(function, "__qualname__", repr(function))
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise NoSourceError(f"the source of {name} is not available ({error})") from error
    tree = _statement(source)
    code = getattr(function, "__code__", None)
    is_def = isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    if (
        not is_def or code is None or code.co_name != tree.name
    ):  # a lambda stands inside of another statement
        raise NoSourceError(f"{name} is not defined by a def of its own")
    tree.decorator_list = []
    return "".join(_words(tree))


def of_source(source: str) -> str:
    """The same for the first statement of a piece of source, its decorators included.

    Raises:
        NoSourceError: it is no Python.
    """
    tree = _statement(source)
    if tree is None:
        raise NoSourceError("the source is no Python statement")
    return "".join(_words(tree))


def _statement(source: str) -> ast.stmt | None:
    # A method or a nested function is indented.  Its text must not be moved: strings of several lines would change.
    is_indented = source[:1].isspace()
    try:
        parsed = ast.parse(f"if True:\n{source}" if is_indented else source).body[0]
    except (SyntaxError, IndexError):
        return None
    return parsed.body[0] if is_indented and isinstance(parsed, ast.If) else parsed


def _words(node: object) -> Iterator[str]:
    """A tree as text.  Fields that are empty are left out, so that those which a newer Python adds do not show."""
    if isinstance(node, ast.JoinedStr):
        node = ast.JoinedStr(_joined(node.values))
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in sorted(ast.iter_fields(node)):
            if name not in _WITHOUT_MEANING:
                yield from _field(name, _without_docstring(node) if name == "body" else value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _words(item)
            yield ","
        yield "]"
    else:
        yield f"{type(node).__name__} {node!a}"


def _field(name: str, value: object) -> Iterator[str]:
    # `value` of a constant may be None, and then means it.
    if value != [] and (value is not None or name == "value"):
        yield f"{name}="
        yield from _words(value)
        yield ";"


def _without_docstring(node: Any) -> object:
    if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        return node.body[1:]
    return node.body


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, text beside text put together: versions of Python cut it differently."""
    joined: list[ast.expr] = []
    for part in values:
        last = joined[-1] if joined else None
        if not isinstance(part, ast.Constant):
            joined.append(part)
        elif isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(f"{last.value}{part.value}")
        elif part.value:
            joined.append(part)
    return joined

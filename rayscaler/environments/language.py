'''The tool language: a subset of Python in which every program ends and none can reach the machine.

A tool is one function whose first parameter is `db`:

    def cancel_order(db, order_id: str, reason: str) -> dict:
        """Cancel a pending order. Writes orders.status, orders.cancel_reason."""
        order = db.get("orders", order_id=order_id)
        require(order["status"] == "pending", "only a pending order can be cancelled")
        return db.update("orders", order, status="cancelled", cancel_reason=reason)

Grammar (anything that is not in it is refused, by its name and line)

    tool        def NAME(db, parameter, …) [-> annotation]: [docstring] statement+
    parameter   NAME [: annotation] [= constant]
    statement   name = e | a, b = e | x[e] = e | name += e | x[e] += e | if/elif/else | for name[, name] in e: …
                return e | break | continue | pass | require(e, e) | a db call | a method call
    e           constant | name | [e, …] | (e, …) | {e: e, **e} | x[e] | x[e:e] | e if e else e | f"…{e}…"
                e and e | e or e | not e | -e | e + e, - * / // % | e == e, != < <= > >= in, not in, is None
                [e for x in e if e] | {e: e for x in e if e} | BUILTIN(e, …) | x.METHOD(e, …) | a db call
    db call     db.get("table", column=e, …)   find  count  insert        the table is a literal
                db.search("table", e, column=e, …)   db.update("table", row, column=e, …)   db.delete("table", row)
                db.now()      a column that is a Python keyword is written **{"from": e}

    BUILTIN     abs all any bool dict enumerate float int len list max min range round sorted str sum zip
                (`key=lambda x: e` in max, min, sorted; a generator expression as the only argument)
    METHOD      of str: capitalize endswith find isdigit join lower replace split startswith strip title upper
                of dict: get items keys pop update values     of list: append count extend index

Values are null, booleans, integers, floats, text, lists, dicts and tuples of scalars (a tuple that holds anything else
is a list, and so are the pairs of items, zip and enumerate); there are no others, so no value has an attribute that
leads anywhere. Operators and methods that can make something large are rewritten into guarded calls
(`language_runtime`), a loop runs over the elements that its list had at its start, and each step is paid from a budget.

What is covered: termination; time and memory of one call (steps, text length, list length, integer size, nesting,
database calls); files, environment, network, imports, frames, dunders, other sessions (the language has no word for
them); SQL (a tool never writes SQL: tables and columns are literals that are checked against the schema, values are
parameters). Which tables a tool writes is read from its text.

What is not covered: whether a tool does what its name says (the certificate does that), the growth of one session's
database over many calls (bounded by the database's page limit), and bugs of CPython and SQLite themselves.
'''

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rayscaler.environment import Entity
from rayscaler.environments.language_rewrite import Rewriter, Use, check_annotation, constant_of, refuse
from rayscaler.environments.language_runtime import GLOBALS
from rayscaler.errors import ToolCodeError

MAX_SOURCE = 20_000
"""Longest source of one tool, in characters."""
MAX_NODES = 3_000
"""Most nodes in the syntax tree of one tool: with the loop weights it bounds the work of one call."""
MAX_DEPTH = 40
"""Deepest syntax tree."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_WRITERS = ("insert", "update", "delete")


class Parameter(NamedTuple):
    """One parameter of a tool's function, `db` left out. `default` is a constant; None also where there is none."""

    name: str
    default: Any
    required: bool


class CheckedTool(NamedTuple):
    """A tool that is inside the language."""

    name: str
    source: str
    parameters: tuple[Parameter, ...]
    uses: tuple[Use, ...]
    tree: ast.Module

    @property
    def writes(self) -> frozenset[str]:
        """Tables that the tool inserts into, updates or deletes from, as its text says."""
        return frozenset(use.table for use in self.uses if use.method in _WRITERS)

    @property
    def reads(self) -> frozenset[str]:
        """Tables that the tool gets, finds, searches or counts in."""
        return frozenset(use.table for use in self.uses if use.method not in _WRITERS)


def check_tool(source: str) -> CheckedTool:
    """Check one tool's source against the grammar. Raises ToolCodeError that names the construct and its line."""
    function = _function(source)
    parameters = _parameters(function)
    rewriter = Rewriter(function, [p.name for p in parameters])
    body = rewriter.statements(_without_docstring(function))
    names = [ast.arg(arg="db"), *(ast.arg(arg=p.name) for p in parameters)]
    header = ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])
    plain = ast.FunctionDef(name=function.name, args=header, body=body or [ast.Pass()], decorator_list=[])
    tree = ast.fix_missing_locations(ast.Module(body=[plain], type_ignores=[]))
    return CheckedTool(function.name, source, parameters, tuple(rewriter.uses), tree)


def check_uses(tool: CheckedTool, entities: Iterable[Entity]) -> None:
    """ToolCodeError if the tool names a table or a column that `entities` do not have."""
    tables = {e.name: {c.name for c in e.columns} for e in entities}
    for use in tool.uses:
        if use.table not in tables:
            raise ToolCodeError(f"{tool.name}, line {use.line}: no table {use.table!r}; there are {sorted(tables)}")
        unknown = [c for c in use.columns if c not in tables[use.table]]
        if unknown:
            raise ToolCodeError(
                f"{tool.name}, line {use.line}: {use.table} has no column {unknown[0]!r}; "
                f"it has {', '.join(sorted(tables[use.table]))}"
            )


def compile_tool(tool: CheckedTool) -> Callable[..., Any]:
    """The function that runs: called with a `db` and one positional value per parameter. Has no builtins."""
    namespace: dict[str, Any] = {"__builtins__": {}, **GLOBALS}
    with warnings.catch_warnings():
        # Python warns of what cannot work (`1[2]`); here it fails when it runs, like any other mistake of a tool.
        warnings.simplefilter("ignore")
        exec(compile(tool.tree, f"<tool {tool.name}>", "exec"), namespace)
    function: Callable[..., Any] = namespace[tool.name]
    return function


def _function(source: str) -> ast.FunctionDef:
    if len(source) > MAX_SOURCE:
        raise ToolCodeError(f"the source has {len(source)} characters, at most {MAX_SOURCE} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ToolCodeError(f"the source is no Python: {type(error).__name__}: {error}") from None
    _check_size(module)
    if len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef):
        kinds = ", ".join(type(s).__name__ for s in module.body[:4]) or "nothing"
        raise ToolCodeError(f"expected exactly one function definition, found {kinds}")
    function = module.body[0]
    if function.decorator_list:
        raise refuse(function.decorator_list[0], "a decorator")
    if not _NAME.match(function.name):
        raise refuse(function, f"the function name {function.name!r}")
    if function.returns is not None:
        check_annotation(function.returns)
    return function


def _check_size(module: ast.Module) -> None:
    level: list[ast.AST] = [module]
    nodes = depth = 0
    while level:
        depth += 1
        nodes += len(level)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ToolCodeError(f"the source is too large: at most {MAX_NODES} nodes and {MAX_DEPTH} levels of nesting")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _parameters(function: ast.FunctionDef) -> tuple[Parameter, ...]:
    args = function.args
    if args.vararg or args.kwarg or args.posonlyargs:
        raise refuse(function, "a parameter with * or /")
    if not args.args or args.args[0].arg != "db":
        raise ToolCodeError(f"{function.name}: the first parameter must be `db`")
    missing: list[ast.expr | None] = [None] * (len(args.args) - len(args.defaults))
    pairs = [*zip(args.args, [*missing, *args.defaults], strict=True),
             *zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if pairs[0][1] is not None:
        raise refuse(pairs[0][0], "a default for `db`")
    found = []
    for arg, default in pairs[1:]:
        if arg.arg in ("db", "require") or not _NAME.match(arg.arg):
            raise refuse(arg, f"the parameter name {arg.arg!r}")
        if arg.annotation is not None:
            check_annotation(arg.annotation)
        found.append(Parameter(arg.arg, None if default is None else constant_of(default), default is None))
    return tuple(found)


def _without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body

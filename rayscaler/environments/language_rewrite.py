"""From a tool's syntax tree to the tree that runs: allowed constructs one by one, everything else refused.

The tree is built anew, never edited in place, so a construct that no method here knows cannot slip through. Operators,
methods and builtins that can make something large become calls of `language_runtime`'s guards, which pay from the
budget on `db`; a value's attributes are never looked up.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from rayscaler.environments.language_runtime import BUILTINS, METHODS
from rayscaler.errors import ToolCodeError

DB_POSITIONAL = {"get": 1, "find": 1, "count": 1, "insert": 1, "search": 2, "update": 2, "delete": 2, "now": 0}
"""How many positional arguments each db method takes; all others are columns by name."""

_LOCAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_RESERVED = ("db", "require")
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "_add", ast.Sub: "_sub", ast.Mult: "_mul", ast.Div: "_div", ast.FloorDiv: "_floordiv", ast.Mod: "_mod",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "_eq", ast.NotEq: "_ne", ast.Lt: "_lt", ast.LtE: "_le", ast.Gt: "_gt", ast.GtE: "_ge",
    ast.In: "_in", ast.NotIn: "_not_in",
}
_WITH_KEY = ("max", "min", "sorted")
MAX_CONSTANT = 10_000
"""Longest text constant in a tool, in characters."""


class Use(NamedTuple):
    """One db call in a tool's text: which table and which columns by name."""

    method: str
    table: str
    columns: tuple[str, ...]
    line: int


def refuse(node: ast.AST, what: str) -> ToolCodeError:
    """The error for a construct outside the language."""
    return ToolCodeError(f"line {getattr(node, 'lineno', 1)}: {what} is outside the tool language")


def constant_of(node: ast.expr) -> Any:
    """The value of a constant expression (text, number, boolean, None, a negative number); else ToolCodeError."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = constant_of(node.operand)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return -value
    if not isinstance(node, ast.Constant):
        raise refuse(node, f"{type(node).__name__} as a default value")
    _check_constant(node)
    return node.value


def check_annotation(node: ast.expr) -> None:
    """Annotations are for the reader and are dropped; only names, `|`, `[]`, None and text may occur in them."""
    allowed = (ast.Name, ast.Subscript, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.Constant, ast.Load)
    for part in ast.walk(node):
        if not isinstance(part, allowed):
            raise refuse(node, f"{type(part).__name__} in an annotation")


def _check_constant(node: ast.Constant) -> None:
    value = node.value
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int) and abs(value) < 2**63:
        return
    if isinstance(value, float) and abs(value) < 1e300:
        return
    if isinstance(value, str) and len(value) <= MAX_CONSTANT:
        return
    raise refuse(node, f"the constant {str(value)[:20]} (no text, number, boolean or None of usual size)")


def _guard(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(func=_load(name), args=[_load("db"), *args], keywords=[])


def _load(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


class Rewriter:
    """Rewrites the body of one function and notes its db calls in `uses`."""

    def __init__(self, function: ast.FunctionDef, parameters: list[str]) -> None:
        stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        lambdas = [a.arg for n in ast.walk(function) if isinstance(n, ast.Lambda) for a in n.args.args]
        self.names = {*parameters, *stored, *lambdas}
        self.uses: list[Use] = []
        self._loops = 0

    # statements

    def statements(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        """The rewritten statements."""
        return [self._statement(node) for node in nodes]

    def _statement(self, node: ast.stmt) -> ast.stmt:
        method = getattr(self, f"_stmt_{type(node).__name__.lower()}", None)
        if method is None:
            raise refuse(node, _words(node))
        found: ast.stmt = ast.copy_location(method(node), node)
        return found

    def _stmt_assign(self, node: ast.Assign) -> ast.stmt:
        if len(node.targets) != 1:
            raise refuse(node, "an assignment to several targets")
        return ast.Assign(targets=[self._target(node.targets[0])], value=self.expression(node.value))

    def _stmt_annassign(self, node: ast.AnnAssign) -> ast.stmt:
        check_annotation(node.annotation)
        if node.value is None or not isinstance(node.target, ast.Name):
            raise refuse(node, "an annotation without a value")
        return ast.Assign(targets=[self._target(node.target)], value=self.expression(node.value))

    def _stmt_augassign(self, node: ast.AugAssign) -> ast.stmt:
        if isinstance(node.target, ast.Name):
            current: ast.expr = _load(node.target.id)
        elif isinstance(node.target, ast.Subscript):
            # The container and the key are evaluated twice; they have no side effects unless a db call is in them.
            if any(isinstance(part, ast.Call) for part in ast.walk(node.target)):
                raise refuse(node, "a call in the target of an augmented assignment")
            current = ast.Subscript(value=node.target.value, slice=node.target.slice, ctx=ast.Load())
        else:
            raise refuse(node, _words(node.target))
        value = ast.BinOp(left=current, op=node.op, right=node.value)
        return ast.Assign(targets=[self._target(node.target)], value=self.expression(ast.copy_location(value, node)))

    def _stmt_if(self, node: ast.If) -> ast.stmt:
        body, orelse = self.statements(node.body), self.statements(node.orelse)
        return ast.If(test=self.expression(node.test), body=body, orelse=orelse)

    def _stmt_for(self, node: ast.For) -> ast.stmt:
        if node.orelse:
            raise refuse(node.orelse[0], "else after for")
        items = self._loop(node.iter, node)
        self._loops += 1
        body = self.statements(node.body)
        self._loops -= 1
        return ast.For(target=self._target(node.target, names_only=True), iter=items, body=body, orelse=[])

    def _stmt_return(self, node: ast.Return) -> ast.stmt:
        return ast.Return(value=None if node.value is None else self.expression(node.value))

    def _stmt_expr(self, node: ast.Expr) -> ast.stmt:
        if not isinstance(node.value, ast.Call):
            raise refuse(node, "an expression that does nothing")
        if isinstance(node.value.func, ast.Name) and node.value.func.id == "require":
            return ast.Expr(value=self._require(node.value))
        return ast.Expr(value=self.expression(node.value))

    def _stmt_pass(self, _: ast.Pass) -> ast.stmt:
        return ast.Pass()

    def _stmt_break(self, node: ast.Break) -> ast.stmt:
        if not self._loops:
            raise refuse(node, "break outside a loop")
        return ast.Break()

    def _stmt_continue(self, node: ast.Continue) -> ast.stmt:
        if not self._loops:
            raise refuse(node, "continue outside a loop")
        return ast.Continue()

    def _target(self, node: ast.expr, names_only: bool = False) -> ast.expr:
        if isinstance(node, ast.Name):
            if node.id in _RESERVED or node.id in BUILTINS or not _LOCAL.match(node.id):
                raise refuse(node, f"an assignment to {node.id!r}")
            return ast.Name(id=node.id, ctx=ast.Store())
        if isinstance(node, ast.Tuple):
            return ast.Tuple(elts=[self._target(e, names_only=True) for e in node.elts], ctx=ast.Store())
        if isinstance(node, ast.Subscript) and not names_only and not isinstance(node.slice, ast.Slice):
            value, key = self.expression(node.value), self.expression(node.slice)
            return ast.Subscript(value=value, slice=key, ctx=ast.Store())
        raise refuse(node, f"an assignment to {_words(node)}")

    def _loop(self, items: ast.expr, owner: ast.AST) -> ast.expr:
        # The weight makes a long loop body as expensive as its length: steps bound the time, not the iterations.
        weight = 1 + sum(1 for _ in ast.walk(owner)) // 16
        return _guard("_loop", self.expression(items), ast.Constant(weight))

    def _require(self, node: ast.Call) -> ast.expr:
        if len(node.args) != 2 or node.keywords:
            raise refuse(node, "require without exactly a condition and a message")
        # The message is made only when it is needed: `_require(db, condition, lambda: message)`.
        nobody = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        message = ast.Lambda(args=nobody, body=self.expression(node.args[1]))
        return _guard("_require", self.expression(node.args[0]), message)

    # expressions

    def expression(self, node: ast.expr) -> ast.expr:
        """The rewritten expression."""
        method: Callable[[Any], ast.expr] | None = getattr(self, f"_expr_{type(node).__name__.lower()}", None)
        if method is None:
            raise refuse(node, _words(node))
        return ast.copy_location(method(node), node)

    def _expr_constant(self, node: ast.Constant) -> ast.expr:
        _check_constant(node)
        return ast.Constant(node.value)

    def _expr_name(self, node: ast.Name) -> ast.expr:
        if node.id in _RESERVED or node.id not in self.names:
            raise refuse(node, f"the name {node.id!r} as a value")
        return _load(node.id)

    def _expr_list(self, node: ast.List) -> ast.expr:
        return ast.List(elts=[self.expression(e) for e in node.elts], ctx=ast.Load())

    def _expr_tuple(self, node: ast.Tuple) -> ast.expr:
        return _guard("_tuple", *(self.expression(e) for e in node.elts))

    def _expr_dict(self, node: ast.Dict) -> ast.expr:
        keys = [None if k is None else self.expression(k) for k in node.keys]
        whole = ast.Dict(keys=keys, values=[self.expression(v) for v in node.values])
        return _guard("_sized", whole) if None in keys else whole

    def _expr_subscript(self, node: ast.Subscript) -> ast.expr:
        value = self.expression(node.value)
        if not isinstance(node.slice, ast.Slice):
            return ast.Subscript(value=value, slice=self.expression(node.slice), ctx=ast.Load())
        if node.slice.step is not None:
            raise refuse(node, "a slice with a step")
        ends = [None if e is None else self.expression(e) for e in (node.slice.lower, node.slice.upper)]
        return _guard("_sized", ast.Subscript(value=value, slice=ast.Slice(*ends), ctx=ast.Load()))

    def _expr_ifexp(self, node: ast.IfExp) -> ast.expr:
        return ast.IfExp(*(self.expression(e) for e in (node.test, node.body, node.orelse)))

    def _expr_boolop(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(op=node.op, values=[self.expression(v) for v in node.values])

    def _expr_unaryop(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Invert):
            raise refuse(node, "the operator ~")
        operand = self.expression(node.operand)
        if isinstance(node.op, ast.USub) and not isinstance(operand, ast.Constant):
            return _guard("_neg", operand)
        return ast.UnaryOp(op=node.op, operand=operand)

    def _expr_binop(self, node: ast.BinOp) -> ast.expr:
        guard = _OPERATORS.get(type(node.op))
        if guard is None:
            raise refuse(node, f"the operator {type(node.op).__name__}")
        return _guard(guard, self.expression(node.left), self.expression(node.right))

    def _expr_compare(self, node: ast.Compare) -> ast.expr:
        operands = [node.left, *node.comparators]
        if any(not isinstance(middle, (ast.Name, ast.Constant)) for middle in operands[1:-1]):
            raise refuse(node, "a chain of comparisons whose middle is no name")
        pairs = [self._comparison(*pair) for pair in zip(operands, node.ops, operands[1:], strict=False)]
        return pairs[0] if len(pairs) == 1 else ast.BoolOp(op=ast.And(), values=pairs)

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        if isinstance(op, (ast.Is, ast.IsNot)):
            if not (isinstance(right, ast.Constant) and (right.value is None or isinstance(right.value, bool))):
                raise refuse(right, "`is` with anything but None, True and False")
            return ast.Compare(left=self.expression(left), ops=[op], comparators=[self.expression(right)])
        if isinstance(right, ast.Set) and isinstance(op, (ast.In, ast.NotIn)):
            right = ast.copy_location(ast.Tuple(elts=right.elts, ctx=ast.Load()), right)
        sides = [self.expression(left), self.expression(right)]
        if isinstance(op, (ast.Eq, ast.NotEq)) and any(isinstance(side, ast.Constant) for side in sides):
            return ast.Compare(left=sides[0], ops=[op], comparators=[sides[1]])
        return _guard(_COMPARISONS[type(op)], *sides)

    def _expr_joinedstr(self, node: ast.JoinedStr) -> ast.expr:
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.conversion != -1 or part.format_spec is not None:
                    raise refuse(part, "a conversion or a format in an f-string")
                parts.append(self.expression(part.value))
            else:
                parts.append(self.expression(part))
        return _guard("_text", *parts)

    def _expr_listcomp(self, node: ast.ListComp | ast.GeneratorExp) -> ast.expr:
        return ast.ListComp(elt=self.expression(node.elt), generators=self._generators(node))

    def _expr_dictcomp(self, node: ast.DictComp) -> ast.expr:
        key, value = self.expression(node.key), self.expression(node.value)
        return ast.DictComp(key=key, value=value, generators=self._generators(node))

    def _generators(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> list[ast.comprehension]:
        if len(node.generators) != 1 or node.generators[0].is_async:
            raise refuse(node, "a comprehension with more than one `for`")
        given = node.generators[0]
        items = self._loop(given.iter, node)
        target = self._target(given.target, names_only=True)
        return [ast.comprehension(target=target, iter=items, ifs=[self.expression(i) for i in given.ifs], is_async=0)]

    # calls

    def _expr_call(self, node: ast.Call) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Attribute):
            if isinstance(function.value, ast.Name) and function.value.id == "db":
                return self._db_call(node, function.attr)
            return self._method_call(node, function)
        if not isinstance(function, ast.Name):
            raise refuse(node, f"a call of {_words(function)}")
        if function.id not in BUILTINS or function.id in self.names:
            raise refuse(node, f"a call of {function.id!r}")
        return self._builtin_call(node, function.id)

    def _builtin_call(self, node: ast.Call, name: str) -> ast.expr:
        keywords = [self._sort_key(k, name) for k in node.keywords]
        if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            args = [self._expr_listcomp(node.args[0])]
        else:
            args = [self.expression(a) for a in node.args]
        return ast.Call(func=_load(f"_{name}"), args=[_load("db"), *args], keywords=keywords)

    def _sort_key(self, keyword: ast.keyword, name: str) -> ast.keyword:
        if keyword.arg in ("reverse", "default") and name in _WITH_KEY:
            return ast.keyword(arg=keyword.arg, value=self.expression(keyword.value))
        if name not in _WITH_KEY or keyword.arg != "key" or not isinstance(keyword.value, ast.Lambda):
            raise refuse(keyword.value, f"the keyword {keyword.arg!r} of {name}")
        given = keyword.value.args
        if len(given.args) != 1 or given.defaults or given.vararg or given.kwarg or given.kwonlyargs:
            raise refuse(keyword.value, "a lambda with other than one parameter")
        self._target(ast.copy_location(ast.Name(id=given.args[0].arg, ctx=ast.Store()), keyword.value))
        names = ast.arguments(
            posonlyargs=[], args=[ast.arg(arg=given.args[0].arg)], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        return ast.keyword(arg="key", value=ast.Lambda(args=names, body=self.expression(keyword.value.body)))

    def _method_call(self, node: ast.Call, function: ast.Attribute) -> ast.expr:
        if function.attr not in METHODS:
            raise refuse(node, f"the method {function.attr!r}")
        if node.keywords:
            raise refuse(node, f"a keyword argument of {function.attr!r}")
        args = [self.expression(a) for a in node.args]
        return _guard("_method", self.expression(function.value), ast.Constant(function.attr), *args)

    def _db_call(self, node: ast.Call, method: str) -> ast.expr:
        if method not in DB_POSITIONAL:
            raise refuse(node, f"db.{method}")
        if len(node.args) != DB_POSITIONAL[method] or (method in ("now", "delete") and node.keywords):
            raise refuse(node, f"db.{method} with {len(node.args)} positional and {len(node.keywords)} named arguments")
        keywords, columns = self._columns(node)
        if method == "get" and not columns:
            raise refuse(node, "db.get without a key")
        if method != "now":
            table = node.args[0]
            if not isinstance(table, ast.Constant) or not isinstance(table.value, str):
                raise refuse(node, f"db.{method} on a table that is no text literal")
            self.uses.append(Use(method, table.value, tuple(columns), node.lineno))
        func = ast.Attribute(value=_load("db"), attr=method, ctx=ast.Load())
        return ast.Call(func=func, args=[self.expression(a) for a in node.args], keywords=keywords)

    def _columns(self, node: ast.Call) -> tuple[list[ast.keyword], list[str]]:
        keywords, columns = [], []
        for keyword in node.keywords:
            if keyword.arg is not None:
                columns.append(keyword.arg)
            elif isinstance(keyword.value, ast.Dict):
                columns += [_literal_key(k, keyword.value) for k in keyword.value.keys]
            else:
                raise refuse(keyword.value, "** of anything but a dict literal")
            keywords.append(ast.keyword(arg=keyword.arg, value=self.expression(keyword.value)))
        if len(set(columns)) != len(columns):
            raise refuse(node, "a column that is named twice")
        if any(isinstance(k.value, ast.Call) and k.arg is None for k in keywords):
            raise refuse(node, "** inside a dict literal of columns")
        return keywords, columns


def _literal_key(key: ast.expr | None, owner: ast.Dict) -> str:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    raise refuse(owner, "a column name that is no text literal")


_WORDS: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute that is no call of a method", ast.While: "while", ast.Try: "try", ast.With: "with",
    ast.Import: "an import", ast.ImportFrom: "an import", ast.Raise: "raise (use require)",
    ast.Starred: "a starred item", ast.ClassDef: "a class",
    ast.FunctionDef: "a function inside the function", ast.Lambda: "a lambda that is no sort key", ast.Set: "a set",
}


def _words(node: ast.AST) -> str:
    return _WORDS.get(type(node), f"a construct of kind {type(node).__name__}")

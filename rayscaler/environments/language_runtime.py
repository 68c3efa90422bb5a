"""What a tool's operators, builtins and methods do when it runs: Python's own meaning, within bounds.

Every guard takes the `db` of the call first and pays from `db.steps`. A value that would be too large, and a budget
that is spent, raise BudgetExceeded: the call then ends with a structured error and nothing has changed. Types are exact
(`type(x) is str`), so no value can bring behaviour of its own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

MAX_TEXT = 100_000
"""Longest text that a tool can make, in characters."""
MAX_ITEMS = 20_000
"""Longest list or dict that a tool can make."""
MAX_INTEGER = 2**63
"""Integers stay below it in size: what SQLite can store."""
MAX_NESTING = 32
"""Deepest nesting of a value that is compared, turned into text or returned."""
STEPS = 100_000
"""Budget of one call. A loop costs 1 per element and per 16 nodes of its body; a db call 4 and 1 per row
and 256 bytes."""

_SCALARS = (str, int, float, bool, type(None))


class Purse(Protocol):
    """What carries the budget: the `db` of the call."""

    steps: int


class BudgetExceeded(Exception):
    """A call that did, or would make, more than it may. Nothing has changed."""


class NestedTooDeep(BudgetExceeded):
    """A value with more levels than MAX_NESTING; one that holds itself has no end of them."""


class RequirementFailed(Exception):
    """A `require` whose condition does not hold; the text is the message."""


def pay(db: Purse, steps: int) -> None:
    """Take `steps` from the budget. Raises BudgetExceeded when it is spent."""
    db.steps -= steps
    if db.steps < 0:
        raise BudgetExceeded("the call needs more steps than a tool may take")


def weigh(db: Purse, value: Any) -> int:
    """Pay for walking through `value`, shared parts once per path. Gives the number of characters of its texts.

    Raises NestedTooDeep if it has too many levels, as one that holds itself always has.
    """
    stack = [(value, 0)]
    characters = 0
    while stack:
        item, depth = stack.pop()
        if type(item) is str:
            characters += len(item)
            pay(db, len(item) >> 8)
        elif type(item) not in _SCALARS:
            if depth > MAX_NESTING:
                raise NestedTooDeep(f"a value is nested more than {MAX_NESTING} deep")
            pay(db, 1 + len(item))
            stack.extend((child, depth + 1) for child in item)
            if type(item) is dict:
                stack.extend((child, depth + 1) for child in item.values())
    return characters


def sized(db: Purse, value: Any) -> Any:
    """`value`, paid for by its length, if it is not too long."""
    length = len(value)
    if length > (MAX_TEXT if type(value) is str else MAX_ITEMS):
        raise BudgetExceeded(f"a {type(value).__name__} would have {length} elements")
    pay(db, 1 + (length >> (8 if type(value) is str else 4)))
    return value


def _room(db: Purse, length: int, limit: int) -> None:
    if length > limit:
        raise BudgetExceeded(f"a value would have {length} elements, at most {limit} are allowed")
    pay(db, 1 + (length >> 8))


def _number(value: Any) -> Any:
    if type(value) is int:
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise BudgetExceeded("an integer would have more than 64 bits")
    elif type(value) is float and not math.isfinite(value):
        raise ValueError("a number would not be finite")
    return value


def _add(db: Purse, a: Any, b: Any) -> Any:
    if type(a) is str and type(b) is str:
        _room(db, len(a) + len(b), MAX_TEXT)
        return a + b
    if type(a) is list and type(b) is list:
        _room(db, len(a) + len(b), MAX_ITEMS)
        return a + b
    return _arithmetic(operator.add, a, b)


def _arithmetic(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    for side in (a, b):
        if type(side) not in (int, float, bool):
            raise TypeError(f"cannot calculate with {type(side).__name__}")
    return _number(function(a, b))


def _neg(_db: Purse, value: Any) -> Any:
    # The smallest 64-bit integer has no positive counterpart.
    return _arithmetic(lambda number, _: -number, value, 0)


def _calculator(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def guarded(_db: Purse, a: Any, b: Any) -> Any:
        return _arithmetic(function, a, b)

    return guarded


def _comparer(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def guarded(db: Purse, a: Any, b: Any) -> Any:
        if type(a) not in _SCALARS and type(b) not in _SCALARS:
            weigh(db, a)
            weigh(db, b)
        return function(a, b)

    return guarded


def _in(db: Purse, item: Any, container: Any) -> bool:
    if type(container) in (list, tuple):
        if type(item) not in _SCALARS:
            weigh(db, item)
            weigh(db, container)
        pay(db, len(container) >> 4)
    elif type(container) is str:
        pay(db, len(container) >> 8)
    return item in container


def _not_in(db: Purse, item: Any, container: Any) -> bool:
    return not _in(db, item, container)


def _loop(db: Purse, items: Any, weight: int) -> tuple[Any, ...]:
    if type(items) not in (list, tuple, dict, str):
        raise TypeError(f"cannot loop over {type(items).__name__}")
    pay(db, 1 + len(items) * weight)
    return tuple(items)


def _require(db: Purse, condition: Any, message: Callable[[], Any]) -> None:
    if not condition:
        raise RequirementFailed(_str(db, message()))


def _text(db: Purse, *parts: Any) -> str:
    texts = [part if type(part) is str else _str(db, part) for part in parts]
    _room(db, sum(map(len, texts)), MAX_TEXT)
    return "".join(texts)


def _str(db: Purse, value: Any = "") -> str:
    if type(value) in _SCALARS:
        return str(value)
    _room(db, weigh(db, value), MAX_TEXT)
    return str(value)


def _int(_db: Purse, value: Any = 0) -> Any:
    return _number(int(value))


def _float(_db: Purse, value: Any = 0.0) -> Any:
    return _number(float(value))


def _round(_db: Purse, value: Any, digits: Any = None) -> Any:
    # round(1, -10**9) would calculate 10**(10**9).
    if digits is not None and not -18 <= digits <= 18:
        raise ValueError("round takes -18 to 18 digits")
    return _number(round(value, digits))


def _range(db: Purse, *ends: Any) -> list[Any]:
    numbers = range(*ends)
    # len() of a range beyond 64 bits raises OverflowError; its ends are 64-bit integers, so it can be that long.
    if numbers and abs(numbers[-1] - numbers[0]) // abs(numbers.step) >= MAX_ITEMS:
        raise BudgetExceeded(f"a range would have more than {MAX_ITEMS} elements")
    pay(db, 1 + (len(numbers) >> 4))
    return list(numbers)


def _sum(db: Purse, items: Any, start: Any = 0) -> Any:
    total = start
    for item in sized(db, items):
        total = _arithmetic(operator.add, total, item)
    return total


def _sorted(db: Purse, items: Any, key: Any = None, reverse: Any = False) -> list[Any]:
    weigh(db, items)
    return sorted(items, key=_paid_key(db, items, key), reverse=bool(reverse))


def _best(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(db: Purse, *values: Any, key: Any = None, **default: Any) -> Any:
        items = values[0] if len(values) == 1 else list(values)
        weigh(db, items)
        if not items and "default" in default:
            return default["default"]
        return function(items, key=_paid_key(db, items, key))

    return guarded


def _paid_key(db: Purse, items: Any, key: Any) -> Any:
    pay(db, len(items))
    if key is None:
        return None

    def paid(item: Any) -> Any:
        value = key(item)
        pay(db, 4)
        weigh(db, value)
        return value

    return paid


def _tuple(_db: Purse, *items: Any) -> Any:
    # A tuple's hash is not cached and its recursion not counted: nested ones could take for ever or end the process.
    return items if all(type(item) in _SCALARS for item in items) else list(items)


def _enumerate(db: Purse, items: Any, start: int = 0) -> list[Any]:
    return [list(pair) for pair in enumerate(sized(db, items), start)]


def _zip(db: Purse, *lists: Any) -> list[Any]:
    return [list(group) for group in zip(*(sized(db, items) for items in lists), strict=False)]


def _list(db: Purse, items: Any = ()) -> list[Any]:
    return list(sized(db, items))


def _dict(db: Purse, items: Any = ()) -> dict[Any, Any]:
    return dict(sized(db, items))


def _all(db: Purse, items: Any) -> bool:
    return all(sized(db, items))


def _any(db: Purse, items: Any) -> bool:
    return any(sized(db, items))


def _join(db: Purse, separator: str, parts: Any) -> str:
    texts = sized(db, parts)
    _room(db, sum(map(len, texts)) + len(separator) * len(texts), MAX_TEXT)
    return separator.join(texts)


def _replace(db: Purse, text: str, old: str, new: str) -> str:
    _room(db, len(text) + text.count(old) * max(0, len(new) - len(old)), MAX_TEXT)
    return text.replace(old, new)


def _split(db: Purse, text: str, separator: str | None = None) -> list[str]:
    _room(db, len(text), MAX_TEXT)
    parts: list[str] = sized(db, text.split(separator))
    return parts


def _extend(db: Purse, items: list[Any], more: Any) -> None:
    _room(db, len(items) + len(more), MAX_ITEMS)
    items.extend(more)


def _append(db: Purse, items: list[Any], item: Any) -> None:
    _room(db, len(items) + 1, MAX_ITEMS)
    items.append(item)


def _search_list(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(db: Purse, items: list[Any], item: Any) -> Any:
        if type(item) not in _SCALARS:
            weigh(db, items)
            weigh(db, item)
        return function(sized(db, items), item)

    return guarded


def _text_method(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(db: Purse, text: str, *args: Any) -> Any:
        pay(db, 1 + (len(text) >> 8))
        return function(text, *args)

    return guarded


def _dict_list(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(db: Purse, mapping: dict[Any, Any]) -> Any:
        found = function(sized(db, mapping))
        return [list(pair) for pair in found] if function is dict.items else list(found)

    return guarded


def _update(db: Purse, mapping: dict[Any, Any], more: Any) -> None:
    _room(db, len(mapping) + len(more), MAX_ITEMS)
    mapping.update(more)


_OF_TEXT: dict[str, Callable[..., Any]] = {
    **{name: _text_method(getattr(str, name)) for name in
       ("capitalize", "endswith", "find", "isdigit", "lower", "startswith", "strip", "title", "upper")},
    "join": _join, "replace": _replace, "split": _split,
}
_OF_DICT: dict[str, Callable[..., Any]] = {
    "get": lambda _, mapping, *args: mapping.get(*args),
    "pop": lambda _, mapping, *args: mapping.pop(*args),
    "update": _update,
    **{name: _dict_list(getattr(dict, name)) for name in ("items", "keys", "values")},
}
_OF_LIST: dict[str, Callable[..., Any]] = {
    "append": _append, "extend": _extend, "count": _search_list(list.count), "index": _search_list(list.index),
}
_BY_TYPE: dict[type, dict[str, Callable[..., Any]]] = {str: _OF_TEXT, dict: _OF_DICT, list: _OF_LIST}


def _method(db: Purse, receiver: Any, name: str, *args: Any) -> Any:
    method = _BY_TYPE.get(type(receiver), {}).get(name)
    if method is None:
        raise TypeError(f"{type(receiver).__name__} has no method {name!r}")
    return method(db, receiver, *args)


METHODS = frozenset(_OF_TEXT) | frozenset(_OF_DICT) | frozenset(_OF_LIST)
"""Method names that a tool may write."""

_BUILTIN: dict[str, Callable[..., Any]] = {
    "abs": lambda _, value: _number(abs(value)), "all": _all, "any": _any, "bool": lambda _, value=False: bool(value),
    "dict": _dict, "enumerate": _enumerate, "float": _float, "int": _int, "len": lambda _, value: len(value),
    "list": _list, "max": _best(max), "min": _best(min), "range": _range, "round": _round, "sorted": _sorted,
    "str": _str, "sum": _sum, "zip": _zip,
}
BUILTINS = frozenset(_BUILTIN)
"""Builtins that a tool may call."""

GLOBALS: dict[str, Any] = {
    **{f"_{name}": function for name, function in _BUILTIN.items()},
    "_add": _add, "_sub": _calculator(operator.sub), "_mul": _calculator(operator.mul),
    "_div": _calculator(operator.truediv), "_floordiv": _calculator(operator.floordiv),
    "_mod": _calculator(operator.mod), "_neg": _neg, "_eq": _comparer(operator.eq), "_ne": _comparer(operator.ne),
    "_lt": _comparer(operator.lt), "_le": _comparer(operator.le), "_gt": _comparer(operator.gt),
    "_ge": _comparer(operator.ge), "_in": _in, "_not_in": _not_in, "_loop": _loop, "_require": _require,
    "_text": _text, "_sized": sized, "_tuple": _tuple, "_method": _method,
}
"""The names that compiled tools see, all out of reach of a tool's own text (names with an underscore are refused)."""

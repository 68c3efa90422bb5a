"""When calls are one of ACEBench's answers: its checker's rules, written anew from what it does (commit 56dd66cf).

As many calls as the answer has, of the same functions. Each call of the answer must be met by one that was made:
required parameters there, no parameter that the function or the answer lacks, types as declared, and values by type:

    text      what the answer says is part of what was said, free of case, blanks and , . / - _ * ^
    list      equal in order, texts free of case and punctuation
    object    the same keys, each value part of the other's text; a list of objects one by one
    number, boolean    only the type is compared

The last line is upstream's rule and not a misprint. `strict` also compares numbers and booleans, asks for every
parameter of the answer, and for each call to be one of the answer's. It is read beside the official rule.

An output that equals an answer is right under both: upstream refuses some of its own answers (docs/evaluation.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rayscaler.evaluation.acebench_text import Call

Answer = dict[str, dict[str, Any]]
"""Function name -> arguments; a function that is called again has `_1`, `_2` … after its name."""

PYTHON_TYPES: dict[str, type] = {
    "string": str, "any": str, "integer": int, "int": int, "number": int, "float": float, "boolean": bool,
    "array": list, "tuple": list, "list": list, "list(string)": list, "list(enum)": list, "dict": dict, "object": dict,
}  # fmt: skip
"""What a declared type is in Python. `number` is int: a float is taken where the answer is one."""

NESTED = frozenset({"array", "tuple", "list(string)", "list(enum)", "object"})
"""Declared types whose parts are looked at."""


def mismatch(
    calls: Sequence[Call], answer: Answer, functions: Sequence[dict[str, Any]], *, strict: bool = False
) -> str:
    """Why `calls` are not `answer`, or empty if they are. functions: the item's, `{name, parameters}` each."""
    wanted = [Call(re.sub(r"_\d+$", "", key), arguments) for key, arguments in answer.items()]
    if _equal(calls, answer, {function["name"] for function in functions}):
        return ""
    if len(calls) != len(wanted):
        return f"{len(calls)} calls, the answer has {len(wanted)}"
    if (made := Counter(call.name for call in calls)) != (asked := Counter(call.name for call in wanted)):
        return f"calls of {sorted(made.elements())}, the answer calls {sorted(asked.elements())}"
    for key, one in zip(answer, wanted, strict=True):
        function = next((f for f in functions if f["name"] in key), None)
        if function is None or "parameters" not in function:
            return f"the answer's {key} is no function of the item"
        faults = [_fault(call, one, function, strict) for call in calls if call.name == one.name]
        if all(faults):
            return faults[-1]
    return _stray(calls, answer, wanted, functions) if strict else ""


def _stray(calls: Sequence[Call], answer: Answer, wanted: Sequence[Call], functions: Sequence[dict[str, Any]]) -> str:
    """A call that is none of the answer's, or empty. Upstream lets one call stand for two of the answer."""
    described = {one.name: next(f for f in functions if f["name"] in key)
                 for key, one in zip(answer, wanted, strict=True)}
    for call in calls:
        faults = [_fault(call, one, described[one.name], strict=True) for one in wanted if one.name == call.name]
        if all(faults):
            return faults[-1]
    return ""


def _equal(calls: Sequence[Call], answer: Answer, names: set[str]) -> bool:
    """Equal to the answer in order, types included. A number after a name counts where it is part of a function's."""
    wanted = [Call(key if key in names else re.sub(r"_\d+$", "", key), value) for key, value in answer.items()]
    return [(call.name, repr(call.arguments)) for call in calls] == [(one.name, repr(one.arguments)) for one in wanted]


def _fault(call: Call, wanted: Call, function: dict[str, Any], strict: bool) -> str:
    """Why one call is not the wanted one, or empty."""
    schema = function["parameters"]
    if not call.arguments or not schema:
        return "" if not call.arguments and not schema else f"{call.name}: no arguments, or none are taken"
    properties = schema.get("properties", {})
    if wanted.arguments == properties:
        return ""
    if function["name"] != call.name:
        return f"{call.name} is not {function['name']}"
    missing = [name for name in schema.get("required", ()) if name not in call.arguments]
    if strict:
        missing += [name for name in wanted.arguments if name not in call.arguments and name not in missing]
    if missing:
        return f"{call.name}: {missing[0]} is missing"
    for name, value in call.arguments.items():
        if name not in properties or name not in wanted.arguments:
            return f"{call.name}: {name} is not in the answer"
        if not _fits(value, wanted.arguments[name], properties[name], strict):
            return f"{call.name}.{name}: {value!r}, the answer has {wanted.arguments[name]!r}"
    return ""


def _fits(value: Any, wanted: Any, schema: dict[str, Any], strict: bool) -> bool:
    declared = str(schema.get("type", "any"))
    kind, inner = PYTHON_TYPES.get(declared), _inner_kind(schema, declared)
    if declared == "tuple" and isinstance(value, tuple):
        value = list(value)
    if declared == "float" and type(value) is int:
        value = float(value)
    fits, loose = _type_fits(value, wanted, kind, inner)
    if not fits:
        return False
    if loose or kind in (int, float, bool):
        return not strict or value == wanted or str(value).lower() == str(wanted).lower()
    if kind is dict:
        return _object_fits(value, wanted)
    if kind is list and inner is dict:
        pairs = zip(value, wanted, strict=False)
        return len(value) == len(wanted) and all(_object_fits(one, other) for one, other in pairs)
    if kind is list:
        return [_plain(part) for part in value] == [_plain(part) for part in wanted]
    return isinstance(value, str) and str(_plain(wanted)) in str(_plain(value))


def _inner_kind(schema: dict[str, Any], declared: str) -> type | None:
    """The type of the parts of a list or an object, where upstream looks at them."""
    if declared not in NESTED:
        return None
    items = schema.get("items")
    if isinstance(items, dict) and "type" in items:
        return PYTHON_TYPES.get(str(items["type"]))
    return str if "string" in declared else dict


def _type_fits(value: Any, wanted: Any, kind: type | None, inner: type | None) -> tuple[bool, bool]:
    """Whether the type is right, and whether it is only the answer's: values are not compared then."""
    value = _spoken(value)
    own = type(wanted) if wanted != "" else None
    as_declared = type(value) is kind
    if as_declared:
        other = own is not None and own is not kind
        if inner is None:
            return True, other
        for part in list(wanted) if isinstance(wanted, (list, dict, str)) else []:
            if not isinstance(part, list) or all(_type_fits(one, part, inner, None)[0] for one in value):
                return True, other
        return False, False
    return own is not None and (type(value) is own or value == wanted), True


def _object_fits(value: Any, wanted: dict[str, Any]) -> bool:
    """Same keys; each value part of the other's text, texts free of case and punctuation."""
    if not isinstance(value, dict) or not isinstance(wanted, dict) or len(value) != len(wanted):
        return False
    for key, part in value.items():
        if key not in wanted:
            return False
        if isinstance(wanted[key], dict):
            if not _object_fits(part, wanted[key]):
                return False
        elif str(_plain(wanted[key])) not in str(_plain(_spoken(part))):
            return False
    return True


def _spoken(value: Any) -> Any:
    """The boolean that a text spells, or the value."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A text free of case, blanks and punctuation; any other value as it is."""
    return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"') if isinstance(value, str) else value

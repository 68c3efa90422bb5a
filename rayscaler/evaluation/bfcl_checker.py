"""The Berkeley harness (`bfcl-eval`) behind three functions: check calls, check turns, run calls. Its only importer.

Its checkers and multi-turn classes need none of its requirements, which pin NumPy 1 and the clients of a dozen model
vendors. So it is installed alone, and the one module of it that imports those clients is stood in for: a table of
models of which the checkers read one field.

Its executor evaluates calls as Python source. Only calls of a documented function with plain names are handed to it,
each value as a literal; any other call is handed on as one of a function that does not exist, and fails there. So does
one that its calculator would not end (`power(9, 9**9)`), because a model may write it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import sys
import weakref
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count
from keyword import iskeyword
from types import ModuleType, SimpleNamespace
from typing import Any

from rayscaler.errors import EngineMissing

PACKAGE = "bfcl_eval"

HOW_TO_INSTALL = (
    "bfcl-eval is not installed. `pip install --no-deps bfcl-eval mpmath` adds it (2 MB); without --no-deps pip would "
    "replace NumPy and install the clients of a dozen vendors, none of which is used"
)

MODEL = "rayscaler"
"""What the harness calls the model. It looks up one thing of it: function names keep their dots."""

NO_TOOL = "no_such_function()"

MAX_DIGITS = 10_000
"""Most digits that the harness's calculator is asked for; its answers have up to 20."""

STUMBLES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError, NotImplementedError,
            RecursionError)  # fmt: skip
"""What the harness's checkers raise over values of odd types."""

_numbers = count()


def installed() -> bool:
    """Whether `bfcl-eval` can be imported here."""
    return importlib.util.find_spec(PACKAGE) is not None


def version() -> str:
    """The installed release of `bfcl-eval`. Raises EngineMissing."""
    if not installed():
        raise EngineMissing(HOW_TO_INSTALL)
    return importlib.metadata.version("bfcl-eval")


def call_source(name: str, arguments: dict[str, Any], documented: Iterable[str]) -> str:
    """A call as the harness evaluates it, or one that fails there."""
    plain = all(key.isidentifier() and not iskeyword(key) for key in arguments)
    if name not in set(documented) or not name.isidentifier() or not plain or _is_endless(name, arguments):
        return NO_TOOL
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _is_endless(name: str, arguments: dict[str, Any]) -> bool:
    """Whether a call asks the calculator for more digits than it can find in a moment."""
    if name in ("logarithm", "square_root"):
        return _digits(arguments.get("precision")) > MAX_DIGITS
    if name == "power":
        base, exponent = arguments.get("base"), arguments.get("exponent")
        if isinstance(base, int) and isinstance(exponent, int):
            return base.bit_length() * abs(exponent) > 4 * MAX_DIGITS
    return False


def _digits(precision: Any) -> float:
    return precision if isinstance(precision, (int, float)) else 0


def calls_fault(
    category: str, functions: Sequence[dict[str, Any]], calls: Sequence[dict[str, Any]], answer: Sequence[Any]
) -> str:
    """Why `calls` (`{name: arguments}` each) are not the answer, or empty. `category` decides on order and language."""
    language = _part("constants.enums").Language
    spoken = language.PYTHON
    if "javascript" in category:
        spoken = language.JAVASCRIPT
    elif "java" in category:
        spoken = language.JAVA
    check = _part("eval_checker.ast_eval.ast_checker").ast_checker
    try:
        found = check(list(functions), list(calls), list(answer), spoken, category, MODEL)
    except STUMBLES as error:  # such values are in none of the answers
        return f"bfcl-eval's checker failed on the calls: {type(error).__name__}: {error}"
    return "" if found["valid"] else f"{found['error_type']}: {found['error']}"


def turns_fault(entry: dict[str, Any], turns: list[list[list[str]]], answer: list[list[str]]) -> str:
    """Why the calls of each turn, reply by reply, do not end where the answer's do, or empty.

    entry: a line of a multi-turn file. Both sides are run from the start, each turn's state and answers are compared.
    """
    check = _part("eval_checker.multi_turn_eval.multi_turn_checker").multi_turn_checker
    name = f"{MODEL}_{next(_numbers)}"
    try:
        found = check(turns, answer, entry, entry["id"].rsplit("_", 1)[0], name)
    except STUMBLES as error:
        return f"bfcl-eval's checker failed on the calls: {type(error).__name__}: {error}"
    finally:
        _forget(name)
    return "" if found["valid"] else f"{found['error_type']}: {found['error_message']}"


class Sandbox:
    """The harness's classes as one conversation finds and changes them."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry
        self._name = f"{MODEL}_{next(_numbers)}"
        weakref.finalize(self, _forget, self._name)

    def run(self, source: str) -> str:
        """What a call answers. `source` comes from `call_source`."""
        execute = _part("eval_checker.multi_turn_eval.multi_turn_utils").execute_multi_turn_func_call
        said, _ = execute([source], self._entry["initial_config"], self._entry["involved_classes"], self._name,
                          self._entry["id"], long_context="long_context" in self._entry["id"])
        return str(said[0])


def _forget(name: str) -> None:
    """Drop a conversation's objects: the harness keeps them in a module for good."""
    kept = vars(_part("eval_checker.multi_turn_eval.multi_turn_utils"))
    for key in [key for key in list(kept) if re.match(rf"{name}_\D", key)]:  # a list: other threads add to it
        del kept[key]


@cache
def _part(name: str) -> Any:
    if not installed():
        raise EngineMissing(HOW_TO_INSTALL)
    models = f"{PACKAGE}.constants.model_config"
    if models not in sys.modules:
        table = ModuleType(models)
        vars(table)["MODEL_CONFIG_MAPPING"] = {MODEL: SimpleNamespace(underscore_to_dot=False)}
        sys.modules[models] = table
    return importlib.import_module(f"{PACKAGE}.{name}")

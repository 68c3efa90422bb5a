"""The tool language: what is in it means what it means in Python, and every program in it ends."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.environment import CompiledTool, Operator, ToolErrorKind
from rayscaler.environments import arguments, language, result
from rayscaler.environments import language_runtime as runtime
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.language import check_tool, check_uses
from rayscaler.environments.language_rewrite import DB_POSITIONAL
from rayscaler.environments.language_runtime import BUILTINS, METHODS
from rayscaler.errors import ToolCodeError
from shop import SHOP


def tool(source: str, **parameters: dict[str, Any]) -> CompiledTool:
    schema = {"type": "object", "properties": parameters}
    return CompiledTool(name="probe", tool_id="probe", description="", parameters=schema, operator=Operator.LOOKUP,
                        entity="orders", code=source)


def session_with(source: str, **parameters: dict[str, Any]):
    return HostedEnvironment(SHOP.model_copy(update={"tools": (tool(source, **parameters),)})).start(1)


def value_of(expression: str) -> Any:
    result = session_with(f"def probe(db):\n    return {expression}\n").call("probe", {})
    assert result.error is None, result.error
    return result.value


SAME_AS_PYTHON = r"""
1 + 2 * 3 - 4 / 2
7 // 2 + 7 % 3
-3 + +2
'a' + 'b'
[1] + [2]
not True
1 < 2
'a' in 'abc'
1 if 2 > 1 else 3
{'a': 1, 'b': [1, 2]}['b'][1]
{**{'a': 1}, 'b': 2}
[x * 2 for x in [1, 2, 3] if x > 1]
{x: x + 1 for x in range(3) if x}['x' if False else 1]
sum(x for x in [1, 2, 3])
sorted([3, 1, 2], reverse=True)
sorted([{'a': 2}, {'a': 1}], key=lambda r: r['a'])
max([1, 5, 2])
min(4, 2, 3)
max([], default=0)
round(2.567, 2)
len('abc') + len([1])
[k for k, v in {'a': 1}.items() if v == 1]
'a,b'.split(',')
' x '.strip().upper()
'-'.join(['a', 'b'])
'aXbX'.replace('X', '')
f"{1 + 1} and {'x'}"
str(12) + str(True)
int('7') + int(2.9)
float('1.5')
bool([]) or 'empty'
any([0, 1]) and all([1, 1])
'abc'[0:2] + 'abc'[-1]
[a + b for a, b in zip([1, 2], [3, 4])]
[i for i, x in enumerate(['a', 'b'])]
{'a': 1}.get('b', 0)
list({'a': 1}.keys())
'Abc'.startswith('A') and 'Abc'.endswith('c')
None is None
1 in {1, 2}
(1, 2) == (1, 2)
'x' not in ['a']
0 < 1 < 2
[1, 2] == [1, 2] and {'a': [1]} == {'a': [1]}
abs(-2)
'abc'.find('c')
[1, 2, 2].count(2) + [1, 2].index(2)
dict([['a', 1]])
'ab'.title()
sum([0.5, 1])
[[y for y in range(x)] for x in range(3)]
"""


@pytest.mark.parametrize("expression", SAME_AS_PYTHON.strip().splitlines())
def test_expressions_mean_what_they_mean_in_python(expression):
    assert value_of(expression) == eval(expression)


def test_statements_mean_what_they_mean_in_python():
    source = """
def probe(db, items: list = None):
    found = {}
    total = 0
    for number, (name, price) in enumerate(items):
        if price < 0:
            continue
        elif price > 100:
            break
        else:
            total += price * (number + 1)
            found[name] = found.get(name, 0) + 1
            found[name] += 1
    first, last = items[0], items[-1]
    result: dict = {"total": total, "found": found, "ends": [first, last]}
    names = []
    for name in found:
        names.append(name)
    names.extend(["x"])
    result["names"] = names
    return result
"""
    items = [["a", 2], ["b", -1], ["a", 3], ["c", 101], ["d", 1]]
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    result = session_with(source, items={"type": "array"}).call("probe", {"items": items})
    assert result.value == namespace["probe"](None, items)
    assert result.value["total"] == 2 * 1 + 3 * 3


def test_writes_and_reads_are_read_from_the_text():
    checked = check_tool(SHOP.tool("add_order_item").code)
    assert checked.name == "add_order_item"
    assert checked.writes == {"order_items", "products"}
    assert checked.reads == {"orders", "products"}
    assert [p.name for p in checked.parameters] == ["order_id", "product_id", "quantity"]
    assert check_tool(SHOP.tool("get_order").code).writes == frozenset()
    for spec in SHOP.tools:
        assert bool(check_tool(spec.code).writes) == spec.operator.writes


def test_a_checked_tool_pickles():
    checked = check_tool(SHOP.tool("cancel_order").code)
    assert pickle.loads(pickle.dumps(checked)).uses == checked.uses


def test_a_refusal_names_the_construct_and_the_line():
    with pytest.raises(ToolCodeError, match="line 3: while"):
        check_tool("def f(db):\n    x = 1\n    while x:\n        pass\n")


def test_an_unknown_column_is_named_with_those_that_there_are():
    checked = check_tool("def f(db):\n    return db.find('products', colour='red')\n")
    with pytest.raises(ToolCodeError, match=r"line 2: products has no column 'colour'; it has category, price"):
        check_uses(checked, SHOP.entities)


def test_a_column_that_is_a_python_keyword_can_be_written():
    checked = check_tool('def f(db):\n    return db.find("mails", **{"from": "a"}, to="b")\n')
    assert checked.uses[0].columns == ("from", "to")


def test_parameters_may_be_called_like_builtins():
    session = session_with("def probe(db, list: str = None, max: int = 3):\n    return [list, max]\n")
    assert session.call("probe", {}).value == [None, 3]


def test_a_message_of_require_is_made_only_when_it_is_needed():
    source = "def probe(db):\n    x = {}\n    require(True, x['not there'])\n    return 1\n"
    assert session_with(source).call("probe", {}).value == 1


def test_too_much_source_is_refused():
    with pytest.raises(ToolCodeError, match="characters"):
        check_tool("def f(db):\n    return 1\n" + "#" * 30_000)
    with pytest.raises(ToolCodeError, match="too large"):
        check_tool("def f(db):\n    return " + "+".join("1" * 2_000) + "\n")
    for deep in ("-" * 5_000 + "1", "[" * 90 + "]" * 90, "[" * 5_000 + "]" * 5_000):
        with pytest.raises(ToolCodeError):
            check_tool(f"def f(db):\n    return {deep}\n")


NAMES = st.sampled_from(["a", "b", "c"])
CONSTANTS = st.sampled_from(["'x'", "'ab c'", "None", "True", "(1.5)", "[]", "{}", "(0)", "(3)", "(99)", "(-4)"])
STATEMENTS = st.sampled_from(
    ["set", "add", "for", "if", "append", "item", "insert", "update", "delete", "require"]
)
ATOMS = st.one_of(NAMES, CONSTANTS)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def form(pattern: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda values: pattern.format(*values))

    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "==", "!=", "<", ">=", "and", "or", "in", "not in"])
    builtin = st.sampled_from(sorted(BUILTINS - {"abs", "all"}))
    method = st.sampled_from(["upper", "split", "strip", "items", "keys", "values", "title", "isdigit"])
    return st.one_of(
        form("({} {} {})", inner, operators, inner), form("{}({})", builtin, inner), form("[{}, {}]", inner, inner),
        form("{{'k': {}, 'l': {}}}", inner, inner), form("{}[{}]", inner, inner), form("{}[{}:]", inner, inner),
        form("({} if {} else {})", inner, inner, inner), form("[{} for {} in {} if {}]", inner, NAMES, inner, inner),
        form("{{{}: {} for {} in {}}}", inner, inner, NAMES, inner), form("f\"{{{}}}-{{{}}}\"", NAMES, NAMES),
        form("{}.{}()", inner, method), form("{}.get({})", inner, inner), form("'-'.join({})", inner),
        form("(-{})", inner), form("(not {})", inner), form("db.find('products', stock={})", inner),
        form("db.search('orders', {})", inner), form("db.count('customers', city={})", inner),
        form("sorted({}, key=lambda {}: {})", inner, NAMES, inner), form("{}.replace({}, {})", inner, inner, inner),
    )


EXPRESSIONS = st.recursive(ATOMS, _grow, max_leaves=6)


@st.composite
def blocks(draw: Any, depth: int = 0) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(STATEMENTS)
        name, value = draw(NAMES), draw(EXPRESSIONS)
        if kind in ("for", "if") and depth < 4:
            head = f"for {name} in {value}:" if kind == "for" else f"if {value}:"
            lines += [head, *(f"    {line}" for line in draw(blocks(depth + 1)))]
        else:
            lines.append({
                "add": f"{name} += {value}", "append": f"{name}.append({value})", "item": f"{name}['k'] = {value}",
                "insert": f"db.insert('products', title={value}, category='toys', price=1, stock=1)",
                "update": f"db.update('products', db.find('products')[0], stock={value})",
                "delete": f"db.delete('order_items', db.find('order_items')[{value}])",
                "require": f"require({value}, {name})",
            }.get(kind, f"{name} = {value}"))
    return lines


@settings(max_examples=80, deadline=None)
@given(blocks(), st.integers(0, 3))
def test_every_program_of_the_grammar_ends_and_its_errors_change_nothing(lines, rounds):
    body = lines
    for level in range(rounds):
        body = [f"for r{level} in range(9000):", *(f"    {line}" for line in body)]
    source = "def probe(db, a: str = 'start', b: int = 2):\n    c = [1]\n" + "".join(f"    {line}\n" for line in body)
    environment = HostedEnvironment(SHOP.model_copy(update={"tools": (tool(source + "    return [a, b, c]\n"),)}))
    session = environment.start(1)
    before = session.digest()
    result = session.call("probe", {})
    if result.error is not None:
        assert result.error.kind is not ToolErrorKind.UNKNOWN_TOOL
        assert (session.digest(), session.changes()) == (before, ())
    else:
        assert session.changes() == result.changes
    again = environment.start(1)
    assert again.call("probe", {}) == result
    assert again.digest() == session.digest()


def test_the_documented_grammar_is_the_one_that_is_checked():
    page = (Path(__file__).parents[2] / "docs" / "tool-language.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines() if line.startswith("| ")}

    def listed(row: str) -> set[str]:
        return set(re.findall(r"`([a-z]+)`", rows[row].split(";")[0]))

    assert listed("BUILTIN") == BUILTINS
    assert listed("METHOD of text") | listed("METHOD of a dict") | listed("METHOD of a list") == METHODS
    assert set(re.findall(r"db\.(\w+)", rows["db calls"])) == set(DB_POSITIONAL)
    told = re.sub(r"(\d),(\d)", r"\1\2", page)
    bounds = (language.MAX_SOURCE, language.MAX_NODES, runtime.STEPS, runtime.MAX_TEXT, runtime.MAX_ITEMS,
              arguments.MAX_CHARACTERS, result.MAX_VALUES, result.MAX_CHARACTERS)
    assert [bound for bound in bounds if f"{bound} " not in told.replace(";", " ")] == []

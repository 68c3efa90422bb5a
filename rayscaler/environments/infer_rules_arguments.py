"""Rules on a tool's own arguments that its descriptions state in words: bounds of numbers, and which go together.

«Number of seats, between 1 and 9.»                       minimum 1, maximum 9
«At least one of `email` and `phone` must be given.»      one of
«Required if `notify` is set.»                            with
«Cannot be used together with `from_date`.»               not both
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rayscaler.environments.infer_rules import rule_pattern, rule_words, sentences
from rayscaler.environments.lexicon import is_boilerplate, joined
from rayscaler.environments.schemas import properties, required, type_of
from rayscaler.toolspec import JsonSchema, ToolSpec

_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)(?![\w-])(?!\.\d)"
_OF_VALUES = r"(?!\s*(?:char|digit|decimal|word|byte))"
"""Behind a number that bounds the value, and not how long its text is."""
_RANGE = re.compile(
    rf"\b(?:between|from|ranges? from|in the range(?: of)?)\s+{_NUMBER}\s*(?:and|to|-|–)\s*{_NUMBER}{_OF_VALUES}", re.I
)
_LOW, _HIGH = (
    re.compile(rf"(?:\b|(?=[<>]))(?:{'|'.join(rule_words(section))})\s*{_NUMBER}{_OF_VALUES}", re.I)
    for section in ("at_least", "at_most")
)


def with_told_bounds(parameters: JsonSchema) -> JsonSchema:
    """The schema of a tool's arguments, with `minimum` and `maximum` where only words tell them."""
    given = properties(parameters)
    told = {n: bounds for n, s in given.items() if (bounds := _bounds(s))}
    if not told:
        return parameters
    return {**parameters, "properties": {n: {**s, **told.get(n, {})} for n, s in given.items()}}


def _bounds(schema: JsonSchema) -> dict[str, Any]:
    kind, text = type_of(schema), str(schema.get("description", ""))
    if kind not in ("integer", "number") or not text or "enum" in schema:
        return {}
    between = _RANGE.search(text)
    low, high = (between[1], between[2]) if between else (_first(_LOW, text), _first(_HIGH, text))
    least = _value(low)
    if least is None and rule_pattern("positive").search(text):
        least = 1 if kind == "integer" else 0.01
    if least is None and rule_pattern("not_negative").search(text):
        least = 0
    most = _value(high)
    if least is not None and most is not None and least >= most:
        return {}
    bounds = {"minimum": least, "maximum": most}
    found = {k: v for k, v in bounds.items() if v is not None and k not in schema}
    whole = {**found, **{k: schema[k] for k in bounds if k in schema}}
    if len(whole) == 2 and whole["minimum"] > whole["maximum"]:
        return {}
    default = schema.get("default")
    outside = isinstance(default, int | float) and not (
        found.get("minimum", default) <= default <= found.get("maximum", default)
    )
    return {} if outside else found


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _value(text: str | None) -> float | int | None:
    if text is None:
        return None
    number = float(text.replace(",", ""))
    return int(number) if number == int(number) else number


class ArgumentRule(NamedTuple):
    """`kind`: one of (at least one is given), not both, or with (the first is given wherever the second is).

    value: for `with`, the value of the second that asks for the first; None for any.
    """

    kind: str
    names: tuple[str, ...]
    value: str | None = None


_UNSET = re.compile(r"\b(?:not|n't|no|without|unless|omitted|empty|absent|missing)\b", re.I)
_EQUALS = re.compile(
    r"^[`'\"*]*[\w. ]+?[`'\"*]*\s*(?:is set to|is|=|==|equals|set to)\s*[`'\"]?(?P<value>[\w-]+)[`'\"]?"
)
_IS_GIVEN = re.compile(r"\b(?:is|are) (?:set|provided|specified|given|present|used|supplied|passed)\b(?! to)", re.I)


def told_argument_rules(tool: ToolSpec) -> list[ArgumentRule]:
    """The rules on optional arguments, as the tool's and the arguments' descriptions tell them."""
    needed = set(required(tool.parameters))
    given = properties(tool.parameters)
    free = [n for n in given if n not in needed and not is_boilerplate(n)]
    found: list[ArgumentRule] = []
    for sentence in sentences(tool.description)[:40]:
        found += _together(sentence, _named(sentence, given, free))
    for name in given:
        for sentence in sentences(str(given[name].get("description", "")))[:12]:
            others = [n for n in _named(sentence, given, list(given)) if n != name]
            if name in free:
                found += _together(sentence, [n for n in free if n == name or n in others])
                found += _with(sentence, name, others, given)
    return list(dict.fromkeys(found))


def _named(sentence: str, given: dict[str, JsonSchema], among: list[str]) -> list[str]:
    """The arguments that a sentence names as they are spelled; plain words only where they are no everyday ones."""
    found = []
    for name in among:
        marked = re.search(rf"[`'\"*]{re.escape(name)}[`'\"*]", sentence)
        spelled = len(joined(name).split()) > 1 and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", sentence)
        if (marked or spelled) and name in given:
            found.append(name)
    return found


def _together(sentence: str, names: list[str]) -> list[ArgumentRule]:
    if len(names) < 2 or rule_pattern("no_rule").search(sentence):
        return []
    rules = []
    if rule_pattern("not_both").search(sentence) and len(names) == 2:
        rules.append(ArgumentRule("not both", tuple(names)))
    if rule_pattern("one_of").search(sentence) and not re.search(r"\bif\b|\bwhen\b", sentence, re.I):
        rules.append(ArgumentRule("one of", tuple(names)))
    return rules


def _with(sentence: str, name: str, others: list[str], given: dict[str, JsonSchema]) -> list[ArgumentRule]:
    found = rule_pattern("with").search(sentence)
    told = [n for n in others if found and n in found["rest"][: len(n) + 6]]
    if found is None or len(told) != 1 or _UNSET.search(found["rest"]):
        return []
    if _IS_GIVEN.search(found["rest"]):
        return [ArgumentRule("with", (name, told[0]))]
    value = _EQUALS.search(found["rest"])
    if value and value["value"] in [str(v) for v in given[told[0]].get("enum", ())]:
        return [ArgumentRule("with", (name, told[0]), value["value"])]
    return []

"""Other words for an intent: a model may write them, and a text that loses or invents a fact is refused.

`check_rephrasing` compares a text with the template's opening. Dates, times and numbers are compared by what they mean
("March 15th, 2026" is "15 March 2026"), all else word by word, whatever the case and the punctuation.

What is covered: every fact that is said at once stands in the text; no number, date, time, address, code, quotation or
name stands in it that the opening has not; nothing that is told only when asked and no answer slips in; no tool and no
identifier of a program is named.
What is not covered: a wish without any fact of its own may get lost; "three days later" and other sums of dates; a
single name at the start of a sentence; whether the text is polite or good English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rayscaler.task import Fact, Task
from rayscaler.tasks.lexicon import load

_TOKEN = re.compile(r"(?:(?<!\w)-(?=\d))?[^\W_]+(?:[._@:/+#'’-]+[^\W_]+|(?<=\d),\d{3}(?!\d))*%?")
_WORD = re.compile(r"[^\W\d_][\w-]*")
_QUOTED = re.compile(r"[\"“«]([^\"”»]+)[\"”»]")
_IDENTIFIER = re.compile(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b|\b[a-z]+(?:[A-Z][a-z0-9]+)+\b")
_NUMBER = re.compile(r"^-?\d[\d,]*(?:\.\d+)?%?$")
_ORDINAL = r"(?:st|nd|rd|th)?"


class Rephrased(NamedTuple):
    """The task with its new opening, or as it was with the reasons why the text was refused."""

    task: Task
    problems: list[str]


def rephrase(task: Task, text: str, tools: Sequence[str] = ()) -> Rephrased:
    """`task` opened with `text` if nothing speaks against it; else the template stands."""
    problems = check_rephrasing(task, text, tools)
    if problems:
        return Rephrased(task, problems)
    intent = task.intent.model_copy(update={"opening": " ".join(text.split())})
    return Rephrased(task.model_copy(update={"intent": intent}), [])


def check_rephrasing(task: Task, text: str, tools: Sequence[str] = ()) -> list[str]:
    """What is wrong with `text` as other words for the opening of `task`; empty if nothing is.

    tools: names of the environment's tools, beside those of gold.
    """
    opening, said = task.intent.opening, tokens(text)
    known = tokens(opening)
    problems = [f"loses {fact.name}: {fact.text!r} is not said" for fact in task.intent.facts
                if fact.said and not _says(said, fact.text)]
    problems += [f"tells {fact.name} at once" for fact in task.intent.facts if _leaks(fact, said, known)]
    problems += [f"tells the answer {answer.text!r}" for answer in task.answers
                 if _says(said, answer.text) and not _says(known, answer.text)]
    problems += [f"invents {token!r}" for token in dict.fromkeys(said) if _telling(token) and token not in known]
    problems += [f"invents the words {quote!r}" for quote in _QUOTED.findall(text) if not _says(known, quote)]
    words = {*tokens(opening), *(w.casefold() for w in _WORD.findall(opening))}
    problems += [f"invents the name {name!r}" for name in dict.fromkeys(_names(text)) if name.casefold() not in words]
    named = {call.tool for call in task.gold} | set(tools)
    problems += [f"names the tool {name}" for name in sorted(named)
                 if "_" in name and re.search(rf"\b{re.escape(name)}\b", text)]
    problems += [f"reads like a program: {name}" for name in dict.fromkeys(_IDENTIFIER.findall(text))
                 if name not in opening and name not in named]
    return problems


def tokens(text: str) -> list[str]:
    """The words of `text` in lower case; dates as `2026-03-15`, times as `t15:30`, numbers without their spelling."""
    months = "|".join(load("lexicon")["months"])
    day, year = rf"(\d{{1,2}}){_ORDINAL}", r"(\d{4})"
    text = re.sub(rf"\b{day}(?: of)? ({months}),? {year}\b", lambda m: _date(m[3], m[2], m[1]), text, flags=re.I)
    text = re.sub(rf"\b({months}) {day},? {year}\b", lambda m: _date(m[3], m[1], m[2]), text, flags=re.I)
    text = re.sub(r"\b(\d{4}-\d\d-\d\d)[T ](?=\d\d:\d\d)", r"\1 ", text)
    text = re.sub(r"\b(\d{1,2})(?::(\d\d))?(?::(\d\d))? ?([ap])\.?m\b\.?", _half_day, text, flags=re.I)
    text = re.sub(r"(?<![\w:.-])(\d\d):(\d\d)(?::(\d\d))?Z?(?![\w:])", lambda m: _time(int(m[1]), m[2], m[3]), text)
    numbers = {word: str(i) for i, word in enumerate(load("lexicon")["number_words"])}
    found = [re.sub(r"['’]s$", "", token.casefold()) for token in _TOKEN.findall(text)]
    return [_plain(numbers.get(token, token)) for token in found]


def _plain(token: str) -> str:
    if not _NUMBER.match(token):
        return token
    number = token.rstrip("%").replace(",", "")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + "%" * token.endswith("%")


def _date(year: str, month: str, day: str) -> str:
    number = [m.casefold() for m in load("lexicon")["months"]].index(month.casefold()) + 1
    return f"{year}-{number:02d}-{int(day):02d}"


def _half_day(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + (12 if found[4] in "pP" else 0)
    return _time(hour, found[2], found[3])


def _time(hour: int, minute: str | None, second: str | None) -> str:
    return f"t{hour:02d}:{minute or '00'}" + (f":{second}" if second and second != "00" else "")


def _says(said: list[str], text: str) -> bool:
    """Whether the words of `text` stand in `said` in a row; of a moment, its day and its time anywhere."""
    wanted = tokens(text)
    if any(re.match(r"\d{4}-\d\d-\d\d$|t\d\d:\d\d", token) for token in wanted):
        return {token for token in wanted if token not in ("at", "on")} <= set(said)
    width = len(wanted)
    return any(said[i : i + width] == wanted for i in range(len(said) - width + 1))


def _leaks(fact: Fact, said: list[str], known: list[str]) -> bool:
    return not fact.said and _says(said, fact.text) and not _says(known, fact.text)


def _telling(token: str) -> bool:
    """Whether a word can only be a fact: it has a digit or is an address."""
    return token != "1" and (any(c.isdigit() for c in token) or "@" in token)


def _names(text: str) -> list[str]:
    """Words in capitals where a sentence does not begin, and pairs of them where it does."""
    ordinary = {*load("lexicon")["capitals"], *load("lexicon")["months"]}  # dates are compared as dates
    found = []
    for sentence in re.split(r"(?<=[.!?:])\s+|[\"“”«»()]", text):
        parts = _WORD.findall(re.sub(r"['’](?:s|m|d|ve|ll|re|t)\b", "", sentence))
        capital = [p[0].isupper() and p not in ordinary for p in parts]
        found += [p for i, p in enumerate(parts) if capital[i] and (i or (len(parts) > 1 and capital[1]))]
    return found

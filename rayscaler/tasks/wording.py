"""Values and column names as a person says them.

    say("2026-03-15T15:30:00Z", DATETIME)  -> 15 March 2026 at 3:30 pm
    say(45.9, MONEY, currency="EUR")       -> 45.90 euros
    say("IN_PROGRESS", STATUS)             -> in progress

`say` is a function of its arguments. It is not one to one over all values (two time zones can share a text), so a task
checks that no two different values of its own share one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.tasks.lexicon import load
from rayscaler.toolspec import words

QUOTED = frozenset({Semantic.TITLE, Semantic.TEXT, Semantic.WORD, Semantic.CODE})
"""What is put in quotation marks inside a sentence."""

_ISO = re.compile(r"^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$")
_CODE = re.compile(r"^(?=\S*[\d:/@-])[\w.:/@-]+$")
"""One word with a digit or a mark inside: nobody takes it for a part of the sentence, so it needs no quotes."""
_CLOCK = re.compile(r"^(\d{2}):(\d{2})(?::(\d{2}))?$")


def say(value: Any, column: Column, *, currency: str = "") -> str:
    """`value` of `column` in words. `currency` is an ISO code, used for amounts of money where it is known."""
    if isinstance(value, bool) or (column.semantic is Semantic.BOOLEAN and value in (0, 1)):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _tag(value) if words(column.name)[-1:] in (["tags"], ["labels"]) else _members(value)
    if isinstance(value, list):
        return _listing([say(item, column) for item in value])
    if column.semantic is Semantic.MILLISECONDS and str(value).isdigit():
        moment = datetime.fromtimestamp(int(value) / 1000, tz=UTC)
        return _text(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), Semantic.DATETIME)
    if isinstance(value, (int, float)):
        return _number(value, column, currency)
    return _text(_short(str(value), column), column.semantic)


def quoted(text: str, column: Column) -> str:
    """`text` as it stands in a sentence: titles and free text in quotation marks."""
    if column.semantic is Semantic.JSON and not text[:1].isdigit():
        return f'"{text}"'
    person = set(words(column.name)) & set(load("lexicon")["person_words"])
    if column.semantic in (Semantic.CODE, Semantic.WORD) and _CODE.match(text):
        return text
    return f'"{text}"' if column.semantic in QUOTED and not column.enum and not person else text


def column_words(name: str, entity: Entity | None = None) -> str:
    """A column or parameter name in words, without the noun of its own entity: `orderDate` of an order -> date."""
    found = words(name)
    if entity is not None:
        own = words(entity.singular)
        if found[: len(own)] == own and len(found) > len(own):
            found = found[len(own):]
    if len(found) > 1 and found[0] in ("is", "has"):
        found = found[1:]
    lexicon = load("lexicon")
    whole = lexicon["names"].get(" ".join(found))
    if len(found) > 1 and found[-1] == "at":
        found = [*found[:-1], "time"]
    if len(found) > 2 and found[-2:] == ["date", "time"]:
        found = found[:-1]
        whole = lexicon["names"].get(" ".join(found))
    said = whole or " ".join(str(lexicon["words"].get(w, w)) for w in found) or name
    return spelt(re.sub(r"\b([a-z]) (\d+)\b", lambda m: f"{m[1].upper()}{m[2]}", said))


def spelt(text: str) -> str:
    """`text` with acronyms in capitals and proper names as their owners write them: `vpc ID`, `WhatsApp`."""
    lexicon = load("lexicon")
    for apart, name in lexicon["proper_names"].items():
        text = re.sub(rf"\b{apart}(?=s?\b)", name, text)
    return " ".join(w.upper() if w in _acronyms() else f"{w[:-1].upper()}s" if w[:-1] in _acronyms() and w[-1] == "s"
                    else w for w in text.split(" "))


@lru_cache(maxsize=1)
def _acronyms() -> frozenset[str]:
    return frozenset(load("lexicon")["acronyms"])


def noun(entity: Entity) -> str:
    """The singular of an entity in words: `order_item` -> order item."""
    found = _plain(entity.singular)
    return spelt(str(load("lexicon")["nouns"].get(found, found)))


def _plain(name: str) -> str:
    """The words of an entity's name; numbers that stand alone (versions, years of an API) are no words of a person."""
    found = words(name)
    while len(found) > 1 and (found[-1].isdigit() or found[-1] == "s"):
        found = found[:-1]
    return " ".join(found) or name


def nouns(entity: Entity) -> str:
    """The plural of `noun`."""
    said = noun(entity)
    if said.endswith(("data", "information", "statistics", "feedback", "media")):
        return said
    if said == spelt(_plain(entity.singular)) and _plain(entity.name) != _plain(entity.singular):
        return spelt(_plain(entity.name))
    if said.endswith(("s", "x", "ch", "sh")):
        return f"{said}es"
    return f"{said[:-1]}ies" if said.endswith("y") and said[-2] not in "aeiou" else f"{said}s"


def clock(hour: int, minute: int, second: int = 0) -> str:
    """A time of day: 15, 30 -> 3:30 pm."""
    tail = "am" if hour < 12 else "pm"
    hour12 = (hour + 11) % 12 + 1
    if second:
        return f"{hour12}:{minute:02d}:{second:02d} {tail}"
    return f"{hour12}:{minute:02d} {tail}" if minute else f"{hour12} {tail}"


def _tag(value: dict[str, Any]) -> str:
    """A tag, as a member of that name or as two members: `team: north`."""
    if len(value) == 2 and {n.lower().removeprefix("tag") for n in value} == {"key", "value"}:
        return ": ".join(str(value[n]) for n in sorted(value, key=str.lower))
    return _listing([f"{name}: {item}" for name, item in value.items()])


def _members(value: dict[str, Any]) -> str:
    """An object: its one member's value, or all members with their names."""
    texts = {}
    for name, item in value.items():
        dated = isinstance(item, str) and _ISO.match(item)
        column = Column(name=name, type="TEXT", semantic=Semantic.DATETIME if dated else Semantic.TEXT)
        texts[name] = say(item, column)
    if len(texts) == 1:
        return next(iter(texts.values()))
    return _listing([f"{column_words(name)} {text}" for name, text in texts.items()])


def _listing(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(value: int | float, column: Column, currency: str) -> str:
    semantic = column.semantic
    if semantic in (Semantic.DATE, Semantic.DATETIME) and value > 10**8:
        seconds = value / 1000 if value > 10**11 else value
        moment = datetime.fromtimestamp(seconds, tz=UTC)
        return _text(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), semantic)
    if semantic is Semantic.MONEY:
        if "cents" in words(column.name):
            return f"{value} cents"
        amount = f"{value:.2f}" if round(value, 2) == value else repr(value)
        return f"{amount} {load('lexicon')['currencies'].get(currency, currency)}".strip()
    if semantic is Semantic.PERCENT:
        share = column.maximum is not None and column.maximum <= 1
        return f"{round(value * 100, 6):g}%" if share else f"{value:g}%"
    return str(int(value)) if float(value).is_integer() else repr(value)


def _text(value: str, semantic: Semantic) -> str:
    if semantic in (Semantic.DATE, Semantic.DATETIME, Semantic.TIME):
        return _moment(value)
    lexicon = load("lexicon")
    if semantic is Semantic.CURRENCY:
        return str(lexicon["currencies"].get(value, value))
    if semantic is Semantic.LANGUAGE:
        return str(lexicon["languages"].get(value, value))
    if semantic in (Semantic.STATUS, Semantic.ENUM):
        return _choice(value)
    return value


def _moment(value: str) -> str:
    at = _CLOCK.match(value)
    if at:
        return clock(int(at[1]), int(at[2]), int(at[3] or 0))
    found = _ISO.match(value)
    if not found or not 1 <= int(found[2]) <= 12:
        return value
    day = f"{int(found[3])} {load('lexicon')['months'][int(found[2]) - 1]} {found[1]}"
    if found[4] is None:
        return day
    return f"{day} at {clock(int(found[4]), int(found[5]), int(found[6] or 0))}"


def _short(value: str, column: Column) -> str:
    """An enumeration's value without the name of its column, or what all values share, in front.

    `MARKUP_SYNTAX_CHAT` -> CHAT.
    """
    low, high = (min(column.enum), max(column.enum)) if len(column.enum) > 1 else ("", "")
    shared = low[: next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), 0)]
    for prefix in ("_".join(words(column.name)).upper() + "_", shared[: shared.rfind("_") + 1]):
        if column.enum and prefix and value.startswith(prefix) and len(value) > len(prefix):
            return value[len(prefix):]
    return value


def _choice(value: str) -> str:
    """An enumeration's value in words; what has no lower-case words (codes such as `t3.micro`) is left as it is."""
    if re.fullmatch(r"[A-Za-z]+(?:[_\- ][A-Za-z]+)*", value) and (len(value) > 3 or value.islower()):
        return " ".join(words(value)) or value
    return value

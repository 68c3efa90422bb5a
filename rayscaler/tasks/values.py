"""New values that a user would want: a title, a date next month, another status. Seeded, fit for column and schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from mimesis import Generic, Locale
from numpy.random import Generator

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.tasks.columns import column_from_schema, machine_made, plain_word
from rayscaler.tasks.lexicon import load
from rayscaler.toolspec import words


class Wanted(NamedTuple):
    """What a new value is for.

    others: values that the column already holds (a new title is none of them). current: the row's value now, which the
    new one must not equal. after: an earlier moment of the same call, which an end must follow. said: longer texts of
    the same task, none of which is said again if it can be helped. person: what the call or the row says already of
    the person that the value is of, by semantic; the new value agrees with it. offered: values that a model thought of
    for it, which are tried before any is made up.
    """

    column: Column
    schema: dict[str, Any]
    entity: Entity
    now: str
    others: tuple[Any, ...] = ()
    current: Any = None
    after: str = ""
    said: tuple[str, ...] = ()
    person: Mapping[Semantic, str] = {}
    offered: tuple[Any, ...] = ()


def new_value(wanted: Wanted, rng: Generator) -> Any:
    """A value for `wanted`, or None if nothing simple fits (an object, a pattern that no plain value meets)."""
    for trial in range(8):
        fresh = [v for v in wanted.offered if v not in wanted.others] if trial < 4 else []
        drawn = fresh[int(rng.integers(len(fresh)))] if fresh else _draw(wanted, rng)
        value = fit(drawn, wanted.schema)
        if isinstance(value, str) and value in wanted.said and trial < 6:
            continue
        if value is not None and value != wanted.current and allowed(value, wanted.schema):
            if wanted.column.unique and value in wanted.others:
                continue
            return value
    return None


def _draw(wanted: Wanted, rng: Generator) -> Any:
    column, schema = wanted.column, wanted.schema
    choices = [v for v in schema.get("enum") or column.enum if v not in (None, "", wanted.current)]
    choices = [v for v in choices if "unspecified" not in str(v).lower()]
    if choices:
        return choices[int(rng.integers(len(choices)))]
    if schema.get("enum") or column.enum:
        return None
    if column.semantic is Semantic.JSON or schema.get("type") in ("array", "object"):
        return _json(wanted, rng)
    if column.semantic in (Semantic.DATE, Semantic.DATETIME, Semantic.TIME, Semantic.MILLISECONDS):
        return _moment(wanted, rng)
    if column.semantic is Semantic.COLOR:
        return load("lexicon")["colors"][int(rng.integers(len(load("lexicon")["colors"])))]
    if column.semantic is Semantic.BASE64:
        return None
    number = _number(wanted, rng)
    return _text(wanted, rng) if number is None else number


def _json(wanted: Wanted, rng: Generator) -> Any:
    """A list of one or two simple values, or an object with one plain member; nothing deeper is made up."""
    schema = wanted.schema if wanted.schema.get("type") else wanted.column.json_schema or {}
    if schema.get("type") == "object":
        if words(wanted.column.name)[-1:] in (["tags"], ["labels"]) and not schema.get("properties"):
            tags = load("lexicon")["tags"]
            name = sorted(tags)[int(rng.integers(len(tags)))]
            return {name: tags[name][int(rng.integers(len(tags[name])))]}
        return _object(wanted, schema, rng)
    items = schema.get("items") or {}
    if words(wanted.column.name)[-1:] in (["tags"], ["labels"]) and items.get("type") == "object":
        return _tags(items, rng)
    if items.get("type") == "object":
        item = _object(wanted, items, rng)
        return None if item is None else [item]
    if schema.get("type") != "array" or items.get("type") not in ("string", "integer", "number"):
        return None
    column = column_from_schema(wanted.column.name.removesuffix("s"), items)
    if column.semantic in (Semantic.ID, Semantic.TEXT) and items["type"] == "string":
        if column.semantic is Semantic.ID or words(wanted.column.name)[-1:] == ["ids"]:
            return None
        column = column.model_copy(update={"semantic": Semantic.WORD})
    inner = wanted._replace(column=column, schema=items, others=(), current=None)
    count = int(rng.integers(max(1, schema.get("minItems", 1)), 3))
    found = [new_value(inner, rng) for _ in range(count)]
    return None if None in found else list(dict.fromkeys(found))


def _tags(items: dict[str, Any], rng: Generator) -> Any:
    """One tag as a name and its value, where the schema has members for the two."""
    members = {name.lower().removeprefix("tag"): name for name in items.get("properties") or {}}
    if not {"key", "value"} <= set(members):
        return None
    tags = load("lexicon")["tags"]
    name = sorted(tags)[int(rng.integers(len(tags)))]
    return [{members["key"]: name, members["value"]: tags[name][int(rng.integers(len(tags[name])))]}]


def _object(wanted: Wanted, schema: dict[str, Any], rng: Generator) -> Any:
    """An object with its only required member if that is plain, or with the member by which a person would say it."""
    members = schema.get("properties") or {}
    names = list(schema.get("required") or ())
    if not names:
        names = [n for n in load("lexicon")["members"] if n in members][:1]
    made: dict[str, Any] = {}
    for name in names:
        inner = members.get(name) or {}
        if len(names) > 1 or inner.get("type") not in ("string", "integer", "number", "boolean"):
            return None
        column = _member(column_from_schema(name, inner))
        if name in ("dateTime", "date"):
            kind = Semantic.DATETIME if name == "dateTime" else Semantic.DATE
            column = column.model_copy(update={"semantic": kind, "name": wanted.column.name})
        if machine_made(column) or column.semantic is Semantic.TEXT:
            return None  # a sentence as one member of an object is nothing that a person would say
        made[name] = new_value(wanted._replace(column=column, schema=inner, others=(), current=None), rng)
    return made if made and None not in made.values() else None


def _member(column: Column) -> Column:
    """A member of an object, as what its name says that it holds: an email, a name, a city."""
    last = words(column.name)[-1:]
    kinds = {"email": Semantic.EMAIL, "address": Semantic.EMAIL, "mail": Semantic.EMAIL, "phone": Semantic.PHONE,
             "name": Semantic.TITLE, "title": Semantic.TITLE, "city": Semantic.CITY}
    if column.semantic is not Semantic.TEXT or not last:
        return column
    kind = kinds.get(last[0], Semantic.PHONE if words(column.name) == ["phone", "number"] else Semantic.TEXT)
    if last == ["address"] and "email" not in words(column.name):
        kind = Semantic.TEXT
    return column.model_copy(update={"semantic": kind})


def _moment(wanted: Wanted, rng: Generator) -> Any:
    now = datetime.fromisoformat(wanted.now.replace("Z", "+00:00"))
    day = now + timedelta(days=int(rng.integers(2, 60)))
    at = day.replace(hour=int(rng.integers(8, 19)), minute=int(rng.choice([0, 0, 15, 30])), second=0, microsecond=0)
    ends = set(words(wanted.column.name)) & set(load("lexicon")["end_words"])
    if wanted.after and ends:
        start = datetime.fromisoformat(wanted.after.replace("Z", "+00:00"))
        dated = wanted.column.semantic is Semantic.DATE
        later = int(rng.integers(1, 5))
        at = start + (timedelta(days=later) if dated else timedelta(minutes=30 * later))
    if wanted.column.semantic is Semantic.MILLISECONDS:
        since = int(at.timestamp()) * 1000
        return since if wanted.schema.get("type") in ("integer", "number") else str(since)
    if wanted.schema.get("type") in ("integer", "number"):
        return int(at.timestamp())
    if wanted.column.semantic is Semantic.TIME:
        return at.strftime("%H:%M")
    return at.strftime("%Y-%m-%d" if wanted.column.semantic is Semantic.DATE else "%Y-%m-%dT%H:%M:%SZ")


def _number(wanted: Wanted, rng: Generator) -> Any:
    column = wanted.column
    ranges = {
        Semantic.QUANTITY: (1, 9), Semantic.INTEGER: (1, 20), Semantic.NUMBER: (1, 20), Semantic.MONEY: (5, 300),
        Semantic.PERCENT: (5, 50), Semantic.LATITUDE: (-60, 60), Semantic.LONGITUDE: (-150, 150),
    }
    if column.semantic is Semantic.BOOLEAN:
        return bool(rng.integers(2)) if wanted.current is None else not wanted.current
    if column.semantic not in ranges and column.type == "TEXT":
        return None
    low: float
    high: float
    low, high = ranges.get(column.semantic, (1, 20))
    least = [v for v in (column.minimum, wanted.schema.get("minimum")) if isinstance(v, (int, float))]
    most = [v for v in (column.maximum, wanted.schema.get("maximum")) if isinstance(v, (int, float))]
    if least:
        low, high = max(low, *least), max(high, max(least) + 10)
    if most:
        high = min(high, *most)
        low = min(low, high)
    if set(words(column.name)) & {"minutes", "duration"} and low <= 30 and high >= 15:
        return int(rng.choice([m for m in (15, 30, 45, 60, 90) if m <= max(high, 15) or not most]))
    whole = int(rng.integers(int(low), int(high) + 1))
    if column.semantic is Semantic.MONEY and wanted.schema.get("type") != "integer" and column.type != "INTEGER":
        return whole + float(rng.choice([0.0, 0.5, 0.9, 0.99]))
    if column.semantic in (Semantic.LATITUDE, Semantic.LONGITUDE):
        return round(whole + float(rng.random()), 4)
    if column.maximum is not None and column.maximum <= 1 and column.type == "REAL":
        return float(rng.integers(1, 20)) / 20
    return whole


def _text(wanted: Wanted, rng: Generator) -> str | None:
    column, lexicon = wanted.column, load("lexicon")
    plain = column.semantic in (Semantic.WORD, Semantic.TEXT, Semantic.CODE, Semantic.TITLE)
    if plain and not _is_label(wanted) and set(words(column.name)) & set(lexicon["person_words"]):
        return _fake(Semantic.EMAIL if "email" in words(column.name) else Semantic.PERSON, rng, wanted.person)
    if "password" in words(column.name):
        return f"{str(lexicon['words_new'][int(rng.integers(20))]).capitalize()}-{int(rng.integers(1000, 9999))}"
    if column.semantic in (Semantic.WORD, Semantic.CODE) and machine_made(column):
        return _outside(words(column.name), rng)
    worded = column.semantic is Semantic.WORD or (column.semantic is Semantic.CODE and plain_word(column))
    if worded and not _is_label(wanted):
        used = sorted({v for v in wanted.others if isinstance(v, str) and 0 < len(v) < 40 and v != wanted.current})
        if used:
            return used[int(rng.integers(len(used)))]
    if column.semantic in (Semantic.TITLE, Semantic.WORD) or _is_label(wanted):
        found = _titles(wanted) if column.semantic is not Semantic.WORD or _is_label(wanted) else lexicon["words_new"]
        fresh = [t for t in found if t not in wanted.others]
        return str(fresh[int(rng.integers(len(fresh)))]) if fresh else None
    if machine_made(column) or column.semantic is Semantic.ID:
        return _outside(words(column.name), rng)
    if column.semantic is Semantic.TEXT and words(column.name)[-1:] in (["name"], ["title"], ["label"]):
        return str(_titles(wanted)[int(rng.integers(len(_titles(wanted))))])
    if column.semantic is Semantic.TEXT:
        found = lexicon["reasons"] if "reason" in words(column.name) else lexicon["sentences"]
        if set(words(column.name)) & {"location", "place", "venue"}:
            found = lexicon["places"]
        return str(found[int(rng.integers(len(found)))])
    return _fake(column.semantic, rng, wanted.person)


def _outside(name: list[str], rng: Generator) -> str:
    """A name or handle of something that is not in this environment: a role's ARN, an address, a slug."""
    fresh = load("lexicon")["words_new"]
    first, second = (str(fresh[int(i)]) for i in rng.integers(len(fresh), size=2))
    if name[-1] in ("arn", "arns"):
        return f"arn:aws:iam::123456789012:{name[-2] if len(name) > 1 else 'resource'}/{first}-{second}"
    if name[-1] == "parent":
        return f"projects/{first}-{second}"
    if name[-1] in ("url", "uri", "link"):
        return f"https://{first}.example.org/{second}"
    return f"{first}-{second}"


def _is_label(wanted: Wanted) -> bool:
    plain = (Semantic.TITLE, Semantic.TEXT, Semantic.WORD)
    return wanted.column.name == wanted.entity.label and wanted.column.semantic in plain


def _titles(wanted: Wanted) -> list[str]:
    titles = load("lexicon")["titles"]
    nouns = words(wanted.entity.singular)
    for word in ["".join(nouns), *reversed(nouns)]:
        if word in titles:
            return list(titles[word])
    return list(titles["default"])


@lru_cache(maxsize=1)
def _faker() -> Generic:
    return Generic(Locale.EN)


def _named(fake: Generic, person: Mapping[Semantic, str]) -> tuple[str, str]:
    """First and last name of who is spoken of already, by name or by an address that tells it; else of somebody new."""
    first, last = fake.person.first_name(), fake.person.last_name()
    address = person.get(Semantic.EMAIL, "").partition("@")[0].replace("_", ".")
    told = person.get(Semantic.PERSON, "").split() or [w.title() for w in address.split(".") if w.isalpha()]
    if len(told) > 1:
        first, last = told[0], told[-1]
    return person.get(Semantic.FIRST_NAME, first), person.get(Semantic.LAST_NAME, last)


def _fake(semantic: Semantic, rng: Generator, person: Mapping[Semantic, str]) -> str | None:
    fake = _faker()
    fake.reseed(int(rng.integers(2**31)))
    first, last = _named(fake, person)
    plain = f"{first}.{last}".lower().replace(" ", "").replace("'", "")
    told = {Semantic.EMAIL: f"{plain}@example.org", Semantic.USERNAME: plain.replace(".", "_"),
            Semantic.PERSON: f"{first} {last}", Semantic.FIRST_NAME: first, Semantic.LAST_NAME: last}.get(semantic)
    if told is not None:
        return told
    if semantic is Semantic.CODE:
        return f"{''.join(chr(65 + int(i)) for i in rng.integers(26, size=2))}-{int(rng.integers(1000, 9999))}"
    if semantic is Semantic.URL:
        return f"https://{load('lexicon')['words_new'][int(rng.integers(20))]}.example.org"
    if semantic in (Semantic.CURRENCY, Semantic.LANGUAGE, Semantic.TIMEZONE):
        lexicon = load("lexicon")
        pool = {Semantic.CURRENCY: list(lexicon["currencies"])[:6], Semantic.LANGUAGE: list(lexicon["languages"])[:8],
                Semantic.TIMEZONE: lexicon["timezones"]}[semantic]
        return str(pool[int(rng.integers(len(pool)))])
    makers: dict[Semantic, Callable[[], Any]] = {
        Semantic.PHONE: fake.person.telephone, Semantic.STREET: fake.address.address, Semantic.CITY: fake.address.city,
        Semantic.STATE: fake.address.state, Semantic.POSTCODE: fake.address.postal_code,
        Semantic.COUNTRY: fake.address.country, Semantic.COMPANY: fake.finance.company,
    }
    maker = makers.get(semantic)
    return None if maker is None else str(maker())


def fit(value: Any, schema: dict[str, Any]) -> Any:
    """`value` in the JSON type that the schema asks for, or None if it has none."""
    kind = schema.get("type")
    if value is None or kind is None or isinstance(kind, list):
        return value
    if kind == "string" and not isinstance(value, str):
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, (int, float)) else None
    if kind == "integer":
        return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "number":
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "array" and not isinstance(value, list):
        return [value]
    return value if kind != "object" or isinstance(value, dict) else None


def allowed(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a text is as long as the schema wants, and of its pattern where that can be read."""
    if not isinstance(value, str):
        return True
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6):
        return False
    try:
        return re.search(schema.get("pattern", ""), value) is not None
    except re.error:
        return True

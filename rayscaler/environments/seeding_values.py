"""One value for one column, by what the column holds. Values of one row come from one person, one place, one life."""

from __future__ import annotations

import math
import re
from copy import copy
from functools import cache, cached_property
from typing import Any, NamedTuple

from mimesis import Address, Finance
from mimesis import Person as People
from mimesis.locales import Locale
from mimesis.random import Random
from numpy.random import Generator

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.lexicon import singular
from rayscaler.environments.seeding_codes import code, last_words, patterns_of
from rayscaler.environments.seeding_more import more_value
from rayscaler.environments.seeding_schemas import ANY_TEXT, KnownSchemas
from rayscaler.environments.seeding_times import Life, role_of, written
from rayscaler.environments.seeding_words import (
    ABOUT_PEOPLE,
    ABOUT_PLACES,
    MAIL_DOMAINS,
    MODIFIERS,
    PEOPLE_NOUNS,
    PEOPLE_WORDS,
    PLACES,
    RANGES,
    SENTENCES,
    STATUSES,
    TITLE_WORDS,
    WORDS,
    Place,
    titles_for,
    values_of,
)
from rayscaler.toolspec import words

_PLACE_FIELD = {
    Semantic.CITY: "city", Semantic.STATE: "state", Semantic.TIMEZONE: "timezone", Semantic.LANGUAGE: "language",
    Semantic.CURRENCY: "currency",
}
_TIMES = (Semantic.DATE, Semantic.TIME, Semantic.DATETIME)
_DEFAULT_RANGE = {
    Semantic.MONEY: (5, 500), Semantic.PERCENT: (0, 100), Semantic.QUANTITY: (1, 50), Semantic.NUMBER: (1, 1000),
    Semantic.INTEGER: (1, 100), Semantic.LATITUDE: (-60, 70), Semantic.LONGITUDE: (-180, 180),
}
MAX_DEPTH = 3
_PERSON = "person"
_OF_PEOPLE = (Semantic.EMAIL, Semantic.FIRST_NAME, Semantic.LAST_NAME, Semantic.USERNAME)


@cache
def _loaded(name: str) -> Any:
    return {"people": People, "addresses": Address, "finance": Finance}[name](Locale.EN)


def _provider(name: str, seed: int) -> Any:
    """mimesis's provider with a stream of its own. Making one anew reads its data file again, which takes 4 ms."""
    made = copy(_loaded(name))
    made.random = Random()
    made.reseed(seed)
    return made


class Person(NamedTuple):
    """Somebody whose name, email and user name agree."""

    first: str
    last: str
    email: str
    username: str
    phone: str


class Source:
    """Where the values of one table are drawn from. One per table of a state."""

    def __init__(self, draw: Generator, mimesis_seed: int, now: str) -> None:
        self.draw = draw
        self.now = now
        self._mimesis_seed = mimesis_seed
        self._persons: dict[str, bool] = {}
        self.known = KnownSchemas()

    @cached_property
    def _people(self) -> People:
        found: People = _provider("people", self._mimesis_seed)
        return found

    @cached_property
    def _addresses(self) -> Address:
        found: Address = _provider("addresses", self._mimesis_seed)
        return found

    @cached_property
    def _finance(self) -> Finance:
        found: Finance = _provider("finance", self._mimesis_seed)
        return found

    def names_person(self, entity: Entity, column: Column) -> bool:
        """Whether a title is a person's name: in a table of people, or beside the email of whoever it names."""
        if column.semantic is not Semantic.TITLE or words(column.name)[-1:] != ["name"]:
            return False
        if column.name not in self._persons:
            group = _group(column.name, ABOUT_PEOPLE)
            beside = {_group(c.name, ABOUT_PEOPLE) for c in entity.columns if c.semantic in _OF_PEOPLE}
            people = entity.singular.rpartition("_")[2] in PEOPLE_NOUNS and group in ((), (entity.singular,))
            self._persons[column.name] = people or (bool(group) and group in beside)
        return self._persons[column.name]

    def row(self, life: Life) -> Made:
        """What the values of a new row come from."""
        return Made(self, life)

    def pick(self, values: tuple[str, ...] | list[str]) -> str:
        """One of `values`."""
        return values[int(self.draw.integers(len(values)))]

    def person(self) -> Person:
        """Somebody new."""
        first, last = self._people.first_name(), self._people.last_name()
        plain = f"{first}.{last}".lower().replace("'", "").replace(" ", "")
        phone = f"+1-{self.draw.integers(201, 990)}-555-01{self.draw.integers(100):02d}"
        username = f"{plain.replace('.', '_')}{self.draw.integers(10, 100)}"
        return Person(first, last, f"{plain}@{self.pick(MAIL_DOMAINS)}", username, phone)

    def place(self) -> Place:
        """One of the cities, its postcode filled in."""
        place = PLACES[int(self.draw.integers(len(PLACES)))]
        digits = "".join(str(self.draw.integers(10)) if c == "#" else c for c in place.postcode)
        return place._replace(postcode=digits)

    def street(self) -> str:
        """Number and street."""
        return f"{self.draw.integers(1, 240)} {self._addresses.street_name()} {self._addresses.street_suffix()}"

    def company(self) -> str:
        """A company's name."""
        return str(self._finance.company())

    def title(self, noun: str) -> str:
        """What a row called `noun` could be named."""
        text = self.pick(titles_for(noun)).replace("%", self.pick(MODIFIERS))
        return text[0].upper() + text[1:]

    def slug(self, noun: str) -> str:
        """A name as people give it to a thing that machines use: `harbor-orders`."""
        return re.sub(r"[^a-z0-9]+", "-", self.title(noun).lower()).strip("-")

    def sentence(self) -> str:
        """One or two sentences."""
        n = 1 + int(self.draw.random() < 0.4)
        chosen = self.draw.permutation(len(SENTENCES))[:n]
        return " ".join(SENTENCES[i].replace("%", self.pick(MODIFIERS)) for i in chosen)


class Made:
    """The values of one row while it is made: whose it is and where, by the words before «name», «city» …"""

    def __init__(self, source: Source, life: Life) -> None:
        self._source, self._life = source, life
        self._draw = source.draw
        self._people: dict[tuple[str, ...], Person] = {}
        self._asked: dict[tuple[str, ...], set[str]] = {}
        self._places: dict[tuple[str, ...], Place] = {}
        self._own_key = ""

    def value(self, entity: Entity, column: Column) -> Any:
        """A value for `column` of a row of `entity`. Asked again, it may give another one."""
        if self._source.names_person(entity, column):
            column = column.model_copy(update={"semantic": Semantic.PERSON})
        return self._of(column, entity.singular, 0)

    def adopt(self, column: Column, value: Any) -> None:
        """Take over a key that was made before the row: an email's or user name's owner is the row's person."""
        self._own_key = str(value)
        if isinstance(value, str) and (column.semantic in (Semantic.EMAIL, Semantic.USERNAME) or "@" in value):
            person = self._person(column, fresh=False)
            name = value.partition("@")[0].replace("_", ".").rstrip("0123456789-")
            first, _, last = name.partition(".")
            told = {"email": value, "username": name.replace(".", "_")} if "@" in value else {"username": value}
            person = person._replace(first=first.title(), last=last.title() or person.last, **told)
            self._people[_group(column.name, ABOUT_PEOPLE)] = person
            self._people.setdefault((), person)

    def _of(self, column: Column, noun: str, depth: int) -> Any:
        semantic = column.semantic
        if column.enum:
            return self._source.pick(column.enum)
        if semantic is Semantic.JSON:
            return self._json(column.json_schema or {}, column.name, noun, depth)
        if semantic is Semantic.BOOLEAN and column.type != "REAL":
            value = bool(self._draw.integers(2))
            return str(value).lower() if column.type == "TEXT" else value
        more = more_value(column, self._life, self._draw)
        if more is not None:
            return more if isinstance(more, str) else _bounded(more, column)
        if semantic in _TIMES:
            moment = written(self._life.at(role_of(column)), column)
            return moment if column.type == "TEXT" else _bounded(moment, column)
        if column.type != "TEXT":
            return self._number(column)
        return self._text(column, noun)

    def _text(self, column: Column, noun: str) -> str:
        semantic, source = column.semantic, self._source
        if semantic in (Semantic.PERSON, Semantic.FIRST_NAME, Semantic.LAST_NAME, Semantic.USERNAME, Semantic.EMAIL,
                        Semantic.PHONE):
            return self._of_person(column)
        if semantic in _PLACE_FIELD:
            return str(getattr(self._place(column), _PLACE_FIELD[semantic]))
        if semantic is Semantic.POSTCODE:
            return self._place(column).postcode
        if semantic is Semantic.COUNTRY:
            place = self._place(column)
            return place.country_code if "code" in words(column.name) else place.country
        if semantic is Semantic.STREET:
            return source.street()
        if semantic is Semantic.COMPANY:
            return source.company()
        if semantic is Semantic.TITLE:
            return source.title(_titled(column, noun))
        if semantic is Semantic.TEXT:
            return source.sentence()
        if semantic is Semantic.STATUS:
            return source.pick(STATUSES)
        if semantic is Semantic.URL:
            page = f"{source.pick(WORDS)}-{self._draw.integers(100, 1000)}"
            if "s3" in column.name.lower():
                return f"s3://{source.slug('bucket')}/{page}.csv"
            return f"https://www.example.com/{noun.replace('_', '-').removesuffix('s')}s/{page}"
        if semantic in (Semantic.WORD, Semantic.CODE):
            named = words(column.name)
            listed = values_of(named)
            if listed:
                return source.pick(listed)
            if named and named[-1] in PEOPLE_WORDS:
                return self._of_person(column.model_copy(update={"semantic": Semantic.PERSON}))
            if named[-2:] == ["time", "zone"] or named[-3:] == ["time", "zone", "id"]:
                return self._place(column).timezone
            if semantic is Semantic.WORD and (patterns_of(named) or named[-1:] in (["identifier"], ["id"], ["arn"])):
                return code(column, noun, self._draw, lambda: self._called(column, noun))
        if semantic in (Semantic.WORD, Semantic.ENUM):
            return source.pick(WORDS)
        if semantic in _DEFAULT_RANGE:
            return str(self._number(column))
        return code(column, noun, self._draw, lambda: self._called(column, noun))

    def _called(self, column: Column, noun: str) -> str:
        """What an ARN's thing is called: the row's own key where the ARN is its own (`arn`, or its noun before it)."""
        own = self._own_key and words(column.name)[:-1] in ([], words(noun))
        return self._own_key if own else self._source.slug(noun)

    def _of_person(self, column: Column) -> str:
        person = self._person(column, fresh=True)
        if column.semantic is Semantic.PERSON:
            return f"{person.first} {person.last}"
        field = {Semantic.FIRST_NAME: "first", Semantic.LAST_NAME: "last"}.get(column.semantic, str(column.semantic))
        return str(getattr(person, field))

    def _person(self, column: Column, *, fresh: bool) -> Person:
        """The row's person for this group of columns; somebody new if the same column asks again."""
        group = _group(column.name, ABOUT_PEOPLE)
        asked = self._asked.setdefault(group, set())
        if group not in self._people or (fresh and column.name in asked):
            self._people[group] = self._source.person()
            asked.clear()
        if fresh:
            asked.add(column.name)
        return self._people[group]

    def _place(self, column: Column) -> Place:
        group = _group(column.name, ABOUT_PLACES)
        if group not in self._places:
            self._places[group] = self._source.place()
        return self._places[group]

    def _number(self, column: Column) -> int | float:
        low, high = _range(column)
        if column.semantic in (Semantic.LATITUDE, Semantic.LONGITUDE):
            name = "latitude" if column.semantic is Semantic.LATITUDE else "longitude"
            value = float(getattr(self._place(column), name)) + float(self._draw.uniform(-0.05, 0.05))
            value = round(min(max(value, low), high), 5)
            return int(value) if column.type == "INTEGER" else value
        if column.type == "INTEGER":
            least = math.ceil(low)
            return int(self._draw.integers(least, max(least, math.floor(high)) + 1))
        value = float(self._draw.uniform(low, high))
        if column.semantic is Semantic.MONEY and high - low > 2:
            price = int(value) + float(self._source.pick(["0.0", "0.5", "0.9", "0.95", "0.99"]))
            return float(min(high, max(low, price)))
        return round(min(high, max(low, round(value, 2))), 6)

    def _json(self, schema: dict[str, Any], name: str, noun: str, depth: int) -> Any:
        if schema.get("enum"):
            return schema["enum"][int(self._draw.integers(len(schema["enum"])))]
        kind = schema.get("type")
        if kind == "array" or (kind is None and "items" in schema):
            items = schema.get("items")
            n = int(self._draw.integers(1, 4)) if depth < MAX_DEPTH else 0
            one = _one_of(name) if n else ""
            made = [self._json(items if isinstance(items, dict) else ANY_TEXT, one, noun, depth + 1) for _ in range(n)]
            return [item for i, item in enumerate(made) if item not in made[:i]]
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, name, noun, depth)
        if kind is None and not schema:
            return [self._source.pick(WORDS)] if name.endswith("s") else {}
        column = self._source.known.column_of(name, schema)
        if noun == _PERSON and column.semantic is Semantic.TITLE:
            column = column.model_copy(update={"semantic": Semantic.PERSON})
        return self._of(column, noun, depth)

    def _object(self, schema: dict[str, Any], path: str, noun: str, depth: int) -> dict[str, Any]:
        if depth >= MAX_DEPTH:
            return {}
        shapes = self._source.known.shapes_of(schema)
        # Something with an email is a person: its name is a person's, not a title.
        noun = _PERSON if shapes.of_person else noun
        # The path tells `end.dateTime` from `start.dateTime`.
        return {name: self._json(shape, f"{path}.{name}", noun, depth + 1) for name, shape in shapes.properties.items()}


def _titled(column: Column, noun: str) -> str:
    """Whose title it is: a project's in `projectName`, the row's own in `displayName`."""
    named = last_words(column.name)
    if named[-2:] == ["file", "name"]:
        return "filename"
    owner = [w for w in named[:-1] if w not in TITLE_WORDS] if named[-1:] in (["name"], ["title"]) else []
    return "_".join(owner) or noun


def _one_of(name: str) -> str:
    """What one item of a list is called: contactIds -> contactId."""
    last = words(name)[-1:] or [""]
    one = singular(last[0])
    cut = len(last[0]) - len(one)
    return name[:-cut] if cut > 0 and last[0].startswith(one) else name


def _range(column: Column) -> tuple[float, float]:
    low, high = map(float, _DEFAULT_RANGE.get(column.semantic, (1, 100)))
    for word in reversed(words(column.name)):
        if word in RANGES:
            low, high = map(float, RANGES[word])
            break
    if column.minimum is not None and column.minimum > low:
        low, high = column.minimum, max(high, column.minimum + (high - low))
    if column.maximum is not None and column.maximum < high:
        low, high = min(low, column.maximum), column.maximum
    if column.minimum is not None:
        low = max(low, column.minimum)
    return low, max(low, high)


def _bounded(value: float, column: Column) -> float:
    if column.maximum is not None:
        value = min(value, math.floor(column.maximum))
    value = value if column.minimum is None else max(value, math.ceil(column.minimum))
    return float(value) if column.type == "REAL" else value


def _group(name: str, about: frozenset[str]) -> tuple[str, ...]:
    """The words of a column's name that say whose it is: `billing_city` -> billing."""
    return tuple(word for word in words(name) if word not in about)

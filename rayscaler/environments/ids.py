"""What a generated id looks like: `ord-1007`, or the API's own style where the key's name or description says one.

Every style turns a number into an id and back, so that a session goes on counting where its seeded rows end.

    plain   ord-1007
    arn     arn:aws:ssm-contacts:us-east-1:123456789012:rotation/rot-1386
    uuid    7d0f2c1e-93a4-4b1d-a6c2-5e8f01b7d3a9
    email   del.2249@example.com
    path    people/per-2248                   ("in the form of people/{person_id}")
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from rayscaler.environment import Column, Entity
from rayscaler.toolspec import words

ACCOUNT = "123456789012"
"""The account in every ARN: the one of AWS's own examples."""
REGION = "us-east-1"
_ARN = re.compile(r"(the |an? )?(unique )?(amazon resource name|arn)\b", re.IGNORECASE)
_SERVICE = re.compile(r"\barn:aws[\w-]*:([a-z][a-z0-9-]+):")
_UUID = re.compile(r"\b(uuid|guid|universally unique)", re.IGNORECASE)
_PATH = re.compile(r"`([a-z][A-Za-z]+)/[{<]?[A-Za-z_]+[}>]?`")
_NUMBER = re.compile(r"\d{1,15}\Z")
# Multiplying by an odd number is a bijection modulo a power of two: numbers in a row give ids that are nothing alike.
_BITS, _FACTOR = 122, 0x2B5A1C7D90E34F6A8C1D5B7E93F0A61
_INVERSE = pow(_FACTOR, -1, 2**_BITS)


class IdStyle(NamedTuple):
    """How the ids of one table are written. `head` goes before `prefix-number`."""

    kind: str
    prefix: str
    head: str = ""

    def make(self, number: int) -> str:
        """The id with this number."""
        if self.kind == "uuid":
            return str(_scattered(number, self.prefix))
        if self.kind == "email":
            return f"{self.prefix}.{number:04d}@example.com"
        return f"{self.head}{self.prefix}-{number:04d}"

    def number(self, text: str) -> int:
        """The number of an id of this style, or of one that is only digits; 0 for any other."""
        if self.kind == "uuid":
            return _gathered(text, self.prefix)
        body = text.removeprefix(self.head).removesuffix("@example.com")
        body = body.removeprefix(f"{self.prefix}{'.' if self.kind == 'email' else '-'}")
        return int(body) if _NUMBER.match(body) and body.isascii() else 0


def style_of(entity: Entity, prefix: str, service: str = "") -> IdStyle:
    """The style of a table's key. `service` stands in its ARNs, the table's own word if nothing is known."""
    key = entity.column(entity.key)
    named, about = words(key.name), key.description
    if key.type != "TEXT":
        return IdStyle("plain", prefix)
    if is_arn(key):
        return IdStyle("arn", prefix, arn_of(entity.singular, "", service))
    if named[-1:] in (["uuid"], ["guid"]) or _UUID.search(about):
        return IdStyle("uuid", prefix)
    if named[-1:] == ["email"] or named[-2:] == ["email", "address"]:
        return IdStyle("email", prefix)
    path = _PATH.search(about)
    return IdStyle("path", prefix, f"{path[1]}/") if path else IdStyle("plain", prefix)


def arn_of(noun: str, name: str, service: str = "") -> str:
    """The ARN of the thing called `name`; `service` is the noun itself if nothing is known."""
    kind = "-".join(words(noun)) or "resource"
    return f"arn:aws:{service or kind}:{REGION}:{ACCOUNT}:{kind}/{name}"


def is_arn(column: Column) -> bool:
    """Whether a column holds Amazon Resource Names, by its name or by how its description begins."""
    return words(column.name)[-1:] == ["arn"] or bool(_ARN.match(column.description))


def service_of(entities: Sequence[Entity]) -> str:
    """The service that an environment's descriptions spell in an ARN; empty if none does."""
    for entity in entities:
        for column in entity.columns:
            found = _SERVICE.search(column.description)
            if found:
                return found[1]
    return ""


def _scattered(number: int, prefix: str) -> uuid.UUID:
    bits = ((number + _offset(prefix)) * _FACTOR) % 2**_BITS
    high, middle, low = bits >> 74, (bits >> 62) & 0xFFF, bits & (2**62 - 1)
    return uuid.UUID(int=high << 80 | 4 << 76 | middle << 64 | 2 << 62 | low)


def _gathered(text: str, prefix: str) -> int:
    try:
        value = uuid.UUID(text).int
    except ValueError:
        return 0
    bits = (value >> 80) << 74 | ((value >> 64) & 0xFFF) << 62 | value & (2**62 - 1)
    number = (bits * _INVERSE - _offset(prefix)) % 2**_BITS
    return number if number < 10**15 else 0


def _offset(prefix: str) -> int:
    """Other tables have other ids for the same number."""
    return int.from_bytes(prefix.encode()[:12], "big")

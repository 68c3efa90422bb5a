"""Ten thousand mutated specifications, over all adapters: tools or rejects, never an error, never a hang."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from rayscaler.seeds import rng
from rayscaler.specs import FORMATS
from specs.reading import assert_valid, read
from specs.samples import API_BANK, DOCUMENTS, OPENAPI

TEXTS = {
    **{name: json.dumps(document, ensure_ascii=False) for name, document in DOCUMENTS.items()},
    "openapi.yaml": OPENAPI,
    "all_apis.csv": API_BANK,
}
JUNK: list[Any] = [
    *(None, True, 0, -1, 2**70, 1.5, float("inf")),
    *("", "x", "#", "$ref", "\ud800", "\0", "é" * 300, "../..", "{a}", "/{", "(", 'Parameters: {"a": [', "a=(" * 90),
    *([], {}, [[]], [None], [{}], {"": ""}, {"a": {"a": {}}}, {"type": "array"}, {"type": ["object", "null", 3]}),
    *({"$ref": "#"}, {"$ref": "#/definitions/Ticket"}, {"allOf": [{"$ref": "#"}]}, {"enum": [None, 1, "x", {}]}),
]
COUNT = 10_000


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside `value`."""
    found, pending = [], [value]
    while pending:
        item = pending.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        found += [(item, key) for key in keys]
        pending += [item[key] for key in keys]
    return found


def mutated(document: Any, dice: np.random.Generator) -> Any:
    """`document` with one to four values replaced, removed, repeated or swapped with another one of it."""
    document = copy.deepcopy(document)
    for _ in range(dice.integers(1, 5)):
        found = places(document)
        if not found:
            break
        (holder, key), (other, at) = (found[dice.integers(len(found))] for _ in range(2))
        action = dice.integers(5)
        if action == 0 and isinstance(holder, dict):
            holder["x" if dice.integers(2) else ""] = holder.pop(key)
        elif action == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif action == 2:
            holder[key] = copy.deepcopy(other[at])
        elif action == 3 and isinstance(holder[key], str):
            holder[key] = holder[key] * int(dice.integers(2, 40))
        else:
            holder[key] = copy.deepcopy(JUNK[dice.integers(len(JUNK))])
    return document


def damaged(text: str, dice: np.random.Generator) -> bytes:
    """`text` with bytes put in, taken out or doubled."""
    data = bytearray(text.encode())
    for _ in range(dice.integers(1, 6)):
        at = int(dice.integers(len(data) + 1))
        action = dice.integers(4)
        if action == 0:
            data[at:at] = dice.bytes(int(dice.integers(1, 5)))
        elif action == 1:
            data[at:at] = bytes(dice.choice(list(b"{}[]\":,#&*!|>-\n\t%@`'\\"), size=3).astype(np.uint8))
        elif action == 2:
            del data[at : at + int(dice.integers(1, 30))]
        else:
            data[at:at] = data[at : at + int(dice.integers(1, 200))]
    return bytes(data)


def test_the_seeds_of_the_fuzzing_reach_every_adapter():
    formats = {tool.format for name, text in TEXTS.items() for tool in read(text, name).tools}
    assert formats == {found.name for found in FORMATS if found.read is not None} - {"mcp-server"}


@pytest.mark.slow
@pytest.mark.by_hand
def test_ten_thousand_mutated_specifications_give_tools_or_rejects():
    dice, tools, rejects = rng(7, "fuzz"), 0, 0
    for number in range(COUNT):
        by_value = dice.random() < 0.7
        names = sorted(DOCUMENTS if by_value else TEXTS)
        name = names[number % len(names)]
        document = json.dumps(mutated(DOCUMENTS[name], dice)) if by_value else damaged(TEXTS[name], dice)
        parsed = read(document, name)
        assert parsed.tools or parsed.rejects, document
        assert all("stumbled" not in reject.detail for reject in parsed.rejects), (parsed.rejects, document)
        if number % 4 == 0:
            assert_valid(parsed)
        tools, rejects = tools + len(parsed.tools), rejects + len(parsed.rejects)
    print(f"{COUNT} specifications, {tools} tools, {rejects} rejects")
    assert tools > COUNT // 4

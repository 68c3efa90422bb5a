"""ACEBench's own checker and scenarios beside ours: answers, answers with a fault, gold runs, and random calls.

    git clone https://github.com/chenchen0103/ACEBench && git -C ACEBench checkout 56dd66cf
    python jobs/bench.py acebench --upstream ACEBench --data ../shared/data/bench/acebench

Nothing of upstream's is installed: its checker and its scenarios import the standard library only.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from rayscaler.evaluation.acebench_data import Entry, read_entries, read_states
from rayscaler.evaluation.acebench_match import mismatch
from rayscaler.evaluation.acebench_phone import Phone
from rayscaler.evaluation.acebench_text import Call, read_calls, write_calls
from rayscaler.evaluation.acebench_travel import Travel
from rayscaler.evaluation.acebench_world import COMPARED, TOOLS, AceWorld, state_mismatch

KINDS = ("answer", "dropped call", "repeated call", "other function", "other number", "other value",
         "missing required", "missing optional", "extra argument", "capitals", "words around")


def main(
    upstream: Annotated[Path, typer.Option(help="A checkout of chenchen0103/ACEBench.")],
    data: Annotated[Path, typer.Option(help="The benchmark's data.")] = Path("../shared/data/bench/acebench"),
    seed: int = 0,
    calls: Annotated[int, typer.Option(help="Random calls per kind of agent item and language.")] = 3000,
    quick: bool = False,
) -> None:
    """Compare our rules and worlds of ACEBench with upstream's."""
    sys.path.insert(0, str(upstream.resolve()))
    entries = read_entries(data)
    questions = [entry for entry in entries if entry.category.startswith("normal")]
    compare_rules(questions[:: 20 if quick else 1], random.Random(seed))
    agents = [entry for entry in entries if entry.classes]
    compare_gold(agents, read_states(data))
    compare_calls(agents, read_states(data), 40 if quick else calls, random.Random(seed))


def compare_rules(entries: list[Entry], rng: random.Random) -> None:
    """How many outputs of each kind upstream accepts, our rule, and the strict one."""
    check = importlib.import_module("model_eval.checker").normal_checker
    made, theirs, ours, strict, unlike = Counter(), Counter(), Counter(), Counter(), []
    for entry, answer in [(one, answer) for one in entries for answer in one.answers]:
        for kind, output in [("answer", as_calls(entry, answer)), *faults(entry, as_calls(entry, answer), rng)]:
            given = [{call.name: deepcopy(call.arguments)} for call in output]
            official = check(list(entry.functions), given, deepcopy(answer), "", entry.category)["valid"]
            own = not mismatch(output, answer, entry.functions)
            made[kind] += 1
            theirs[kind] += official
            ours[kind] += own
            strict[kind] += not mismatch(output, answer, entry.functions, strict=True)
            unlike += [f"{entry.language}/{entry.entry_id}"] if own != official else []
    print("| output | n | upstream accepts | ours | strict |\n|---|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {made[kind]:,} | {theirs[kind]:,} | {ours[kind]:,} | {strict[kind]:,} |")
    print(f"\n{sum(made.values()) - len(unlike):,} of {sum(made.values()):,} verdicts alike; "
          f"unlike on outputs of {len(set(unlike))} items: {', '.join(sorted(set(unlike)))}\n")


def as_calls(entry: Entry, answer: dict[str, Any]) -> list[Call]:
    """An answer as calls."""
    names = {function["name"] for function in entry.functions}
    return [Call(key if key in names else re.sub(r"_\d+$", "", key), deepcopy(value)) for key, value in answer.items()]


def faults(entry: Entry, calls: list[Call], rng: random.Random) -> list[tuple[str, list[Call]]]:
    """The calls with one change each, and its kind."""
    (name, arguments), rest = calls[0], calls[1:]
    found = [("dropped call", rest), ("repeated call", [*calls, calls[0]]),
             ("extra argument", [Call(name, {**arguments, "qqq": 1}), *rest])]
    others = [f["name"] for f in entry.functions if f["name"] not in {call.name for call in calls}]
    if others:
        found.append(("other function", [Call(rng.choice(others), arguments), *rest]))
    schema = next((f["parameters"] for f in entry.functions if f["name"] in name and "parameters" in f), {})
    for key, value in arguments.items():
        kind = "other number" if isinstance(value, (bool, int, float)) else "other value"
        found.append((kind, [Call(name, {**arguments, key: other(value, rng)}), *rest]))
        kind = "missing required" if key in schema.get("required", ()) else "missing optional"
        found.append((kind, [Call(name, {k: v for k, v in arguments.items() if k != key}), *rest]))
    for kind, change in (("capitals", str.upper), ("words around", lambda text: f"the {text} please")):
        found.append((kind, [Call(c.name, {k: change(v) if isinstance(v, str) else v for k, v in c.arguments.items()})
                             for c in calls]))
    return found


def other(value: Any, rng: random.Random) -> Any:
    """`value` with one leaf changed."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 7
        case [_, *_]:
            place = rng.randrange(len(value))
            return [*value[:place], other(value[place], rng), *value[place + 1 :]]
        case {**parts} if parts:
            key = rng.choice(sorted(parts))
            return {**parts, key: other(parts[key], rng)}
    return "qqq"


class Upstream:
    """Upstream's scenario of one agent item."""

    def __init__(self, entry: Entry, number: int) -> None:
        kind = entry.category.removeprefix("agent_")
        self.module = importlib.import_module(f"model_inference.{kind}.{kind}_utils")
        role = importlib.import_module(
            f"model_inference.{kind}.execution_role{'' if kind == 'multi_turn' else '_step'}")
        runner = role.EXECUTION if kind == "multi_turn" else role.EXECUTION_STEP
        self.entry, self.name = entry, f"n{number}"
        self.runner = runner("m", {"BaseApi": entry.device}, list(entry.classes), self.name, entry.language)

    def say(self, message: str) -> Any:
        """What upstream answers to a message with calls; None if it cannot read it."""
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                return self.runner.respond([{"message": message}])[0]["message"]
            except (SyntaxError, TypeError):      # its reader's, and what it makes of several answers
                return None

    def state(self) -> Any:
        """What upstream stores of its classes."""
        held = vars(self.module)
        found = []
        for name in self.entry.classes:
            made = held.get(f"m_{self.name}_{name.lower()}_instance")
            found += [{name: {key: vars(made)[key] for key in COMPARED[name]}}] if made else []
        return json.loads(json.dumps(found))


def world_of(entry: Entry, states: dict[str, Any]) -> AceWorld:
    """Our world of an agent item."""
    start = states[f"{entry.category.removeprefix('agent_')}_{entry.language}"]
    return AceWorld(start, entry.device or {}, entry.classes, entry.language)


def compare_gold(entries: list[Entry], states: dict[str, Any]) -> None:
    """The state after every gold run, and whether it is the gold state."""
    runs, alike, reached = 0, 0, Counter()
    for number, entry in enumerate(entries):
        right = []
        many = [entry.milestones] if isinstance(entry.milestones[0], str) else entry.milestones
        for run, stones in enumerate(many):
            theirs, ours = Upstream(entry, 1000 * number + run), world_of(entry, states)
            for stone in stones:
                theirs.say(stone.strip())
                run_all(ours, stone)
            runs += 1
            alike += theirs.state() == ours.compared()
            right.append(not state_mismatch(ours.compared(), entry.answers))
        reached[f"{entry.language}/{entry.category}"] += any(right)
    print(f"gold runs: same end state on {alike} of {runs}; items whose gold run reaches gold: {dict(reached)}\n")


def run_all(world: AceWorld, written: str) -> None:
    """Run the calls of a milestone; none if it cannot be read."""
    with contextlib.suppress(ValueError):
        for call in read_calls(written):
            world.run(call)


def compare_calls(entries: list[Entry], states: dict[str, Any], calls: int, rng: random.Random) -> None:
    """The answer to and the state after each of many random calls, 30 in a row."""
    counts, number = Counter(), 10**6
    places = sorted({(entry.language, entry.category) for entry in entries})
    for place in [place for place in places for _ in range(max(1, calls // 30))]:
        number += 1
        entry = rng.choice([entry for entry in entries if (entry.language, entry.category) == place])
        theirs, ours = Upstream(entry, number), world_of(entry, states)
        names = [name for one in entry.classes for name in TOOLS[one]]
        for _ in range(30):
            call = random_call(rng.choice(names), ours, rng)
            said, answer = theirs.say(write_calls([call])), ours.run(call)
            counts["calls"] += 1
            counts["same state"] += theirs.state() == ours.compared()
            counts["same answer" if same_answer(said, answer.text) else f"unlike: {call.name}"] += 1
    print("random calls: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))


def same_answer(said: Any, own: str) -> bool:
    """Whether upstream's answer is ours. Errors are alike: upstream shows Python's own words, or letter by letter."""
    text = "".join(map(str, said)) if isinstance(said, list) else str(said)
    if own.startswith("Error during execution"):
        return said is None or text.startswith("Error during execution")
    with contextlib.suppress(json.JSONDecodeError):
        return said in ([json.loads(own)], [str(json.loads(own))]) or json.dumps(said) == json.dumps([json.loads(own)])
    return bool(said == [own])


def random_call(name: str, world: AceWorld, rng: random.Random) -> Call:
    """A call with values from the world, some of them wrong, now and then one too many or too few."""
    food, travel = world.state["FoodPlatform"], world.state["Travel"]
    user, merchant = rng.choice([*food["users"], "Bob"]), rng.choice([*food["merchant_list"]])
    trips = [*travel["reservations"], {"reservation_id": "res_99", "user_id": "user9"}]
    trip, traveller = rng.choice(trips), rng.choice([*travel["users"], "user9"])
    city = [*dict.fromkeys(flight["origin"] for flight in travel["flights"]), "X"]
    menu = [row["product"] for row in food["merchant_list"][merchant]["menu"]]
    cabins = ["Economy Class", "Business Class", "经济舱", "商务舱"]
    values: dict[str, Callable[[], Any]] = {
        "sender_name": lambda: user, "receiver_name": lambda: rng.choice([*food["users"]]), "user_name": lambda: user,
        "username": lambda: rng.choice(food["logged_in_users"] or [user]) if "order" in name else user,
        "message": lambda: rng.choice(["hi", "we meet (soon)", "it's \"q\""]), "message_id": lambda: rng.randint(1, 9),
        "keyword": lambda: rng.choice(["frank", "you", "xx"]), "title": lambda: rng.choice(["A", "To-do list"]),
        "description": lambda: "d", "time": lambda: "2024-07-16 11:00", "merchant_name": lambda: merchant,
        "items": lambda: [{"product": rng.choice([*menu, "X"]), "quantity": rng.choice([1, 2, 3, 0, "2"])}],
        "password": lambda: {**food["users"], **travel["users"]}.get(traveller if "user_id" in wanted else user, {})
        .get("password", "x"),
        "user_id": lambda: trip["user_id"] if "reservation_id" in wanted else traveller,
        "reservation_id": lambda: trip["reservation_id"], "reason": lambda: rng.choice(
            ["other", "The airline has canceled the flight.", "航空公司取消航班"]),
        "flight_no": lambda: rng.choice([*(flight["flight_no"] for flight in travel["flights"]), "XX1"]),
        "cabin": lambda: rng.choice(cabins), "new_cabin": lambda: rng.choice(cabins),
        "payment_method": lambda: rng.choice(["cash", "bank", "card"]), "add_baggage": lambda: rng.choice([1, 2, "1"]),
        "baggage_count": lambda: rng.choice([0, 1, 2, 5]),
    }  # fmt: skip
    values |= {"new_flight_no": values["flight_no"], "new_payment_method": values["payment_method"]}
    values |= dict.fromkeys(("origin", "destination", "origin_city", "transfer_city", "destination_city"),
                            lambda: rng.choice(city))
    parameters = signature(getattr(Travel if name in TOOLS["Travel"] else Phone, name)).parameters
    wanted = {key: one.default is one.empty for key, one in parameters.items() if key != "self"}
    arguments = {key: values[key]() for key, needed in wanted.items() if needed or rng.random() < 0.5}
    if rng.random() < 0.03:
        arguments["qqq"] = 1
    if arguments and rng.random() < 0.03:
        arguments.popitem()
    return Call(name, arguments)

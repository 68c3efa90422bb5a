"""ACEBench and BFCL through the workers of `evaluate`: a server that is right on some items and wrong on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fake_server import FakeServer, fake_server
from rayscaler.config import parse_config
from rayscaler.evaluation import bfcl_checker
from rayscaler.evaluation.adapters import chosen, open_benchmark
from rayscaler.evaluation.benchmark import Item, ScriptedTurns, SimulatedUser
from rayscaler.evaluation.function_tools import tool_names
from rayscaler.messages import Message, ToolCall
from rayscaler.recipes import FilterRecipe, ScriptedAgent
from rayscaler.resources import Resources
from rayscaler.runtime.conversations import Terms, share
from rayscaler.runtime.grading import Graders, grade_row, score_rows
from rayscaler.runtime.store import Store
from rayscaler.stages.evaluate import Given, PlayEpisodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Replies = list[dict[str, Any]]


class Played(NamedTuple):
    """Stored episodes, their grades, and the scores by (by, of, without, metric)."""

    episodes: list[dict[str, Any]]
    grades: dict[str, Any]
    scores: dict[tuple[str, str, str, str], float]


def said(message: Message) -> dict[str, Any]:
    return message.to_openai()


def calls(item: Item, *made: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A reply with calls of the benchmark's functions, by the names that were offered."""
    functions = getattr(item.payload, "functions", None) or item.payload["entry"].get("function", [])
    offered = {own: name for name, own in tool_names(functions).items()}
    asked = [ToolCall(id=f"c{i}", name=offered.get(name, name), arguments=arguments)
             for i, (name, arguments) in enumerate(made)]
    return said(Message(role="assistant", tool_calls=tuple(asked)))


def words(text: str) -> dict[str, Any]:
    return said(Message(role="assistant", content=text))


def key(item: Item) -> str:
    """What the server knows a conversation by: the first thing that the user says."""
    assert isinstance(item.user, ScriptedTurns)
    return item.user.turns[0].messages[-1].content


def played(folder: Path, data: Path, server: FakeServer, name: str, *, ids: list[str], trials: int = 1) -> Played:
    """The items, played by the server's model (which is the user too), and graded."""
    server_of = {"kind": "openai", "model": "fake", "base_url": server.base_url}
    config = parse_config({"name": "bench", "seed": 7, "evaluate": {
        "trials": trials, "heldout": None, "models": [{"name": "fake", "agent": server_of}], "user": server_of,
        "benchmarks": [{"name": name, "path": str(data), "ids": ids}]}}, base=folder)
    recipe, store = config.recipes.evaluate, Store(str(folder))
    benchmark = open_benchmark(name, data)
    terms = Terms(share(Resources(call_retries=0), 1), "journal")
    worker = PlayEpisodes(Given("fake", recipe.models[0].agent, recipe, 7, store, {}, {name: benchmark}, terms))
    items = chosen(benchmark.items(), ids=ids)
    episodes = worker([{"model": "fake", "kind": name, "item": item.item_id} for item in items]).rows["episodes"]
    grades = graded(data, name, episodes, store)
    scores = {(s["by"], s["of"], s["without"], s["metric"]): s["value"] for s in score_rows(episodes, grades, seed=7)}
    return Played(episodes, grades, scores)


def graded(data: Path, name: str, episodes: list[dict[str, Any]], store: Store) -> dict[str, Any]:
    """The grades of stored episodes, by data that is read anew."""
    graders = Graders({name: open_benchmark(name, data)}, FilterRecipe(), store, {}, 7, gold=ScriptedAgent())
    return {row["episode_id"]: grade_row(row, graders.grade(row)) for row in episodes}


def test_acebench_scores_are_what_was_planted(shared_data, tmp_path):
    data = shared_data / "bench" / "acebench"
    items = {item.item_id: item for item in open_benchmark("acebench", data).items()}
    right, wrong = "en/normal_atom_bool_0", "zh/normal_atom_enum_3"
    special, agent = "en/special_irrelevant_0", "zh/agent_multi_step_0"
    (name, arguments), = items[right].payload.answers[0].items()
    milestones = [
        ("login_food_platform", {"username": "Eve", "password": "password123"}),
        ("get_products", {"merchant_name": "达美乐"}),
    ]
    rows: dict[str, Replies] = {
        key(items[right]): [calls(items[right], (name, arguments))],
        key(items[wrong]): [calls(items[wrong], (next(iter(items[wrong].payload.truth)), {}))],
        key(items[special]): [words("Due to the limitations of the function, I cannot solve this problem.")],
        key(items[agent]): [*(calls(items[agent], one) for one in milestones), words("Done.")],
    }
    with fake_server() as server:
        server.set(*({"key": k, "replies": r} for k, r in rows.items()))
        found = played(tmp_path, data, server, "acebench", ids=[right, wrong, special, agent], trials=2)
    rewards = {(row["item_id"], row["trial"]): found.grades[row["episode_id"]]["reward"] for row in found.episodes}
    planted = {right: 1.0, wrong: 0.0, special: 1.0, agent: 0.0}
    assert rewards == {(one, trial): reward for one, reward in planted.items() for trial in range(2)}
    assert graded(data, "acebench", found.episodes, Store(str(tmp_path))) == found.grades      # the server is gone
    assert found.scores["subset", "en/normal_atom_bool", "", "pass^2"] == 1.0
    assert found.scores["subset", "zh/normal_atom_enum", "", "pass^1"] == 0.0


def test_an_acebench_agent_talks_with_a_simulated_user_until_it_is_done(shared_data, tmp_path):
    data = shared_data / "bench" / "acebench"
    item = next(i for i in open_benchmark("acebench", data).items() if i.item_id == "en/agent_multi_turn_0")
    assert isinstance(item.user, SimulatedUser)
    ask, text = "Please send Frank a message.", "Are you free tomorrow to have lunch with me?"
    message = {"sender_name": "Grace", "receiver_name": "Frank", "message": text}
    run = [("turn_on_wifi", {}), ("get_earliest_message_id", {}), ("delete_message", {"message_id": 3}),
           ("send_message", message)]
    with fake_server() as server:
        for n_calls, reward in ((4, 1.0), (3, 0.0)):
            agent = [*(calls(item, one) for one in run[:n_calls]), words("It is sent.")]
            server.set({"key": item.user.prompt, "replies": [words(ask), words("finish conversation")]},
                       {"key": ask, "replies": agent})
            found = played(tmp_path / str(n_calls), data, server, "acebench", ids=[item.item_id])
            assert found.episodes[0]["stop_reason"] == "user_stop"
            (grade,) = found.grades.values()
            assert grade["reward"] == reward
            assert json.loads(grade["parts"]) == {"end_to_end": reward, "process": n_calls / 4}


@pytest.mark.skipif(not bfcl_checker.installed(), reason=bfcl_checker.HOW_TO_INSTALL)
def test_bfcl_scores_are_what_was_planted(shared_data, tmp_path):
    data = shared_data / "bench" / "bfcl-v4"
    items = {item.item_id: item for item in open_benchmark("bfcl", data).items()}
    simple, java, none, turns = "simple_python_0", "simple_java_0", "irrelevance_0", "multi_turn_miss_func_0"
    made = [("cd", {"folder": "document"}), ("mkdir", {"dir_name": "temp"}),
            ("mv", {"source": "final_report.pdf", "destination": "temp"})]
    later = [
        [("cd", {"folder": "temp"}), ("grep", {"file_name": "final_report.pdf", "pattern": "budget analysis"})],
        [],
        [("sort", {"file_name": "final_report.pdf"})],
        [("cd", {"folder": ".."}), ("mv", {"source": "previous_report.pdf", "destination": "temp"}),
         ("cd", {"folder": "temp"}),
         ("diff", {"file_name1": "final_report.pdf", "file_name2": "previous_report.pdf"})],
    ]
    whole = [reply for turn in [made, *later]
             for reply in (*([calls(items[turns], *turn)] if turn else []), words("Done."))]
    rows: dict[str, Replies] = {
        key(items[simple]): [calls(items[simple], ("calculate_triangle_area", {"base": 10, "height": 5}))],
        key(items[java]): [calls(items[java], ("GeometryPresentation.createPresentation", {"controller": "mapArea"}))],
        key(items[none]): [words("None of the functions helps.")],
        key(items[turns]): whole,
    }
    with fake_server() as server:
        server.set(*({"key": k, "replies": r} for k, r in rows.items()))
        found = played(tmp_path / "right", data, server, "bfcl", ids=[simple, java, none, turns])
        server.set({"key": key(items[turns]), "replies": [*whole[:-2], words("No."), words("Done.")]})
        short = played(tmp_path / "short", data, server, "bfcl", ids=[turns])
    rewards = {row["item_id"]: found.grades[row["episode_id"]]["reward"] for row in found.episodes}
    assert rewards == {simple: 1.0, java: 0.0, none: 1.0, turns: 1.0}
    assert [grade["reward"] for grade in short.grades.values()] == [0.0]
    record = json.loads(next(row for row in found.episodes if row["item_id"] == turns)["trajectory"])
    assert any("budget analysis" in step["response"] for step in record["steps"])
    assert graded(data, "bfcl", found.episodes, Store(str(tmp_path))) == found.grades

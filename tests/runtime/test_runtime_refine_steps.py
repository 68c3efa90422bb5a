"""Descriptions, link verdicts and values for arguments: each asked of a model that answers well and in bad faith."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rayscaler.graph.links import links_of
from rayscaler.recipes import ComposeRecipe, LinkRecipe, Refine, RefineLinks, RefineTasks
from rayscaler.refinement.describe import describe_question, described
from rayscaler.runtime.openai_chat import CallLimits
from rayscaler.runtime.refiner import Refiner, Terms
from rayscaler.runtime.store import Store
from rayscaler.stages.compose import offered_values
from rayscaler.stages.ingest import descriptions
from rayscaler.stages.link import judged_links
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import REFINEMENTS
from rayscaler.tasks.compose import compose
from rayscaler.toolspec import ToolSpec
from scripted_model import ScriptedModel, scripted_model
from shop_tasks import shop

LIMITS = CallLimits(in_flight=4, timeout_s=5, retries=4, longest_wait_s=0.02)
ATTEMPTS = 2
TEXT = {"type": "string"}


def tool(name: str, taken: tuple[str, ...], given: tuple[str, ...]) -> ToolSpec:
    parameters = {"type": "object", "properties": dict.fromkeys(taken, TEXT), "required": list(taken)}
    response = {"type": "object", "properties": dict.fromkeys(given, TEXT)}
    return ToolSpec(tool_id=name, name=name, vendor="acme", api="shop", description=f"{name.replace('_', ' ')}.",
                    parameters=parameters, response=response, format="test")


TOOLS = [
    tool("list_orders", (), ("id", "customerId", "postcode")), tool("get_order", ("order_id",), ("id", "customerId")),
    tool("get_customer", ("customer_id",), ("id", "email", "postcode")), tool("find_shops", ("postcode",), ("name",)),
    tool("cancel_order", ("order_id", "reason"), ("status",)),
]


class Case(NamedTuple):
    """One step: how it is asked of a refiner, what it gives, and what the rules give without a model."""

    kind: Callable[..., Refine]
    asked: Callable[[Refiner], tuple[Any, list[dict[str, Any]]]]
    plain: Callable[[], Any]


LINKS = LinkRecipe(refine=RefineLinks(model="m", base_url="http://127.0.0.1/v1"))
CASES = {
    "describe": Case(Refine, lambda refiner: descriptions(TOOLS, refiner), lambda: TOOLS),
    "judge_links": Case(RefineLinks, lambda refiner: judged_links("d", TOOLS, LINKS, refiner),
                        lambda: links_of("d", TOOLS, LINKS)),
    "arguments": Case(RefineTasks, lambda refiner: offered_values(shop().spec, refiner), dict),
}


def run(step: str, server: ScriptedModel, folder: Path, limits: CallLimits = LIMITS, failures: int = 8):
    refiner = Refiner(server.endpoint(CASES[step].kind, attempts=ATTEMPTS),
                      Terms(limits, failures, Store(str(folder))))
    found, rows = CASES[step].asked(refiner)
    refiner.close()
    check_key(REFINEMENTS, to_arrow(REFINEMENTS, rows))
    assert rows
    assert {row["step"] for row in rows} == {step}
    return found, rows


@pytest.mark.parametrize("step", list(CASES))
def test_what_is_right_is_taken_and_a_second_time_nothing_is_asked(step, tmp_path):
    with scripted_model("good") as server:
        found, rows = run(step, server, tmp_path)
        assert sum(row["requests"] for row in rows) == server.seen["requests"] == len(rows)
        again, known = run(step, server, tmp_path)
        assert server.seen["requests"] == len(rows)
    assert {row["status"] for row in rows} == {"accepted"}
    assert found != CASES[step].plain()
    assert again == found
    assert [row["after"] for row in known] == [row["after"] for row in rows]


@pytest.mark.parametrize("step", list(CASES))
@pytest.mark.parametrize(("persona", "kinds"), [
    ("bad", {"loses", "invents", "unfit"}), ("off_schema", {"unreadable", "off_schema"}),
    ("hostile", {"unreadable", "unfit"}),
])  # fmt: skip
def test_what_is_wrong_is_refused_for_its_reason_and_the_rules_stand(step, persona, kinds, tmp_path):
    with scripted_model(persona) as server:
        found, rows = run(step, server, tmp_path)
        assert sum(row["requests"] for row in rows) == server.seen["requests"] == ATTEMPTS * len(rows)
    assert found == CASES[step].plain()
    assert {row["status"] for row in rows} == {"refused"}
    assert {told.split()[1].rstrip(":") for row in rows for told in row["problems"]} <= kinds
    assert all(row["after"] == row["before"] for row in rows)


@pytest.mark.parametrize("step", list(CASES))
def test_a_silent_server_leaves_what_the_rules_made(step, tmp_path):
    with scripted_model("silent") as server:
        found, rows = run(step, server, tmp_path, LIMITS._replace(timeout_s=0.2, retries=0), failures=1)
    assert found == CASES[step].plain()
    assert {row["status"] for row in rows} == {"failed"}


def test_a_description_changes_words_and_no_name(tmp_path):
    with scripted_model("good") as server:
        found, _ = run("describe", server, tmp_path)
    order = found[1]
    assert order.description == "Calls get_order and answers with the result. Returns id, customerId."
    assert order.parameters["properties"] == {"order_id": {**TEXT, "description": "The order_id of it."}}
    assert order.response["properties"]["id"] == {**TEXT, "description": "The id of it."}
    bare = [t.model_copy(update={"description": "", "parameters": {}, "response": None}) for t in (order, TOOLS[1])]
    assert bare[0] == bare[1]


def test_a_description_of_a_list_s_items_is_written_into_them():
    rows = tool("list_orders", ("page",), ("id",))
    rows = rows.model_copy(update={"response": {"type": "array", "items": rows.response}})
    question = describe_question(rows)
    assert list(question.data["outputs"]) == ["id"]
    answer = question.step.answer.model_validate({
        "summary": "Lists orders.", "inputs": [{"name": "page", "description": "Which page."}],
        "outputs": [{"name": "id", "description": "The order."}]})
    assert question.check(answer) == []
    assert described(rows, answer).response["items"]["properties"]["id"] == {**TEXT, "description": "The order."}


def test_a_judge_drops_a_link_and_never_touches_what_the_specification_declares(tmp_path):
    with scripted_model("good") as server:
        found, rows = run("judge_links", server, tmp_path)
        asked = [link for body in server.asked for link in [body["messages"][1]["content"]]]
    links = {(r["src"], r["dst"], r["parameter"]) for r in found}
    plain = {(r["src"], r["dst"], r["parameter"]): r for r in CASES["judge_links"].plain()}
    assert ("list_orders", "get_order", "order_id") in links & plain.keys()
    assert plain["list_orders", "get_order", "order_id"]["score"] == 1.0
    assert not any('"from": "list_orders"' in text and '"name": "get_order"' in text for text in asked)
    assert plain.keys() - links == {("list_orders", "find_shops", "postcode")}
    assert {r["subject"]: r["before"] != r["after"] for r in rows} == {
        "d/cancel_order": False, "d/find_shops": True, "d/get_customer": False}


def test_values_of_a_model_become_facts_of_tasks_and_each_task_is_certified_as_ever(tmp_path):
    with scripted_model("good") as server:
        offered, _ = run("arguments", server, tmp_path)
    recipe = ComposeRecipe(tasks=12, attempts=40)
    with_values = compose(shop(), [], recipe, seed=5, offered=offered)
    facts = {fact.value for task in with_values.tasks for fact in task.intent.facts}
    assert facts & {value for some in offered.values() for value in some}
    assert len(with_values.tasks) + len(with_values.rejects) <= recipe.attempts
    assert compose(shop(), [], recipe, seed=5, offered={}) == compose(shop(), [], recipe, seed=5)

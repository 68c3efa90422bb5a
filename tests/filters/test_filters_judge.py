"""Each filter drops what it should, in the paper's order; a perfect agent keeps everything."""

from __future__ import annotations

from collections import Counter

import pytest

from rayscaler.canonical import dumps
from rayscaler.filters.funnel import fate, funnel, funnel_by, funnel_rows
from rayscaler.filters.judge import judge
from rayscaler.messages import Message, ToolCall
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.mistakes import repertoire
from rayscaler.rollouts.play import play
from rayscaler.trajectory import ErrorType, FilterStage, StopReason, Trajectory, Verdict, VerdictReason
from shop_tasks import shop, shop_tasks, task_named

STRICT, RELAXED = FilterRecipe(), FilterRecipe(exact_match="relaxed")
PAPER = FilterRecipe(answers=False)
IDENTITY = shop().spec.identity


def perfect(name: str, trial: int = 0) -> Trajectory:
    return play(task_named(name), shop(), RolloutRecipe(agent=ScriptedAgent(error_rate=0)), trial=trial, seed=1)


def changed(trajectory: Trajectory, **fields: object) -> Trajectory:
    return trajectory.model_copy(update=fields)


def verdict(trajectory: Trajectory, recipe: FilterRecipe = STRICT) -> Verdict:
    return judge(trajectory, task_named(trajectory.task_id), IDENTITY, recipe)


def reason(trajectory: Trajectory, recipe: FilterRecipe = STRICT) -> tuple[str | None, str]:
    found = verdict(trajectory, recipe)
    return found.stage and found.stage.value, found.reason.value


def with_steps(trajectory: Trajectory, steps: list) -> Trajectory:
    """`trajectory` with other steps, and messages that go with them."""
    opening, closing = trajectory.messages[:2], trajectory.messages[-2:]
    made = []
    for number, step in enumerate(steps):
        call = step.call.model_copy(update={"id": f"c{number}"})
        made.append(Message(role="assistant", tool_calls=(call,)))
        made.append(Message(role="tool", content=dumps(step.response), tool_call_id=call.id, name=call.name))
        steps[number] = step.model_copy(update={"call": call})
    return changed(trajectory, steps=tuple(steps), messages=(*opening, *made, *closing))


def row(trajectory: Trajectory, recipe: FilterRecipe = STRICT) -> dict:
    found = verdict(trajectory, recipe)
    return {"kept": found.kept, "stage": found.stage.value if found.stage else "", "reason": found.reason.value,
            "planted": trajectory.planted, "task_id": trajectory.task_id}


@pytest.mark.parametrize("recipe", [STRICT, RELAXED], ids=["strict", "relaxed"])
def test_a_perfect_agent_keeps_every_trajectory(recipe):
    found = [verdict(perfect(task.task_id, trial), recipe) for task in shop_tasks() for trial in range(8)]
    assert {(v.kept, v.stage, v.reason) for v in found} == {(True, None, VerdictReason.KEPT)}


def test_each_planted_mistake_meets_the_fate_that_its_table_promises():
    recipe = RolloutRecipe(agent=ScriptedAgent(error_rate=1.0))
    met = Counter()
    for task in shop_tasks():
        for trial in range(40):
            played = play(task, shop(), recipe, trial=trial, seed=11)
            mistake = repertoire()[played.planted]
            strict, relaxed = fate(row(played)), fate(row(played, RELAXED))
            assert strict in mistake.fates(task), (task.task_id, played.planted, verdict(played))
            assert relaxed in mistake.fates(task, "relaxed"), (task.task_id, played.planted, verdict(played, RELAXED))
            assert (fate(row(played, PAPER)) == "kept") == (strict == "kept" or played.planted == "wrong_answer")
            met[played.planted] += 1
    assert set(met) == set(repertoire())


def test_machinery_that_broke_is_told_apart_from_an_agent_that_did():
    whole = perfect("total")
    broken = changed(whole, stop_reason=StopReason.CHAT_FAILED, error_type=ErrorType.INFRASTRUCTURE,
                     error_detail="gone")
    assert verdict(broken) == Verdict(kept=False, stage=FilterStage.VALIDITY, reason=VerdictReason.INFRASTRUCTURE,
                                      detail="gone")
    user = changed(whole, stop_reason=StopReason.MALFORMED_REPLY, error_type=ErrorType.USER)
    agent = changed(whole, stop_reason=StopReason.MALFORMED_REPLY, error_type=ErrorType.AGENT)
    assert reason(user) == ("validity", "user_error")
    assert reason(agent) == ("validity", "malformed_call")


def test_a_conversation_that_the_user_did_not_end_is_dropped():
    whole = perfect("total")
    assert reason(changed(whole, stop_reason=StopReason.MAX_TURNS)) == ("validity", "not_ended_by_user")
    assert reason(changed(whole, messages=whole.messages[:-1])) == ("validity", "not_ended_by_user")
    unsaid = (*whole.messages[:-1], Message(role="user", content="Thanks!"))
    assert reason(changed(whole, messages=unsaid)) == ("validity", "not_ended_by_user")


def test_roles_that_do_not_follow_each_other_are_dropped_and_named():
    messages = perfect("total").messages
    wrongs = [
        messages[1:],  # no system message
        (messages[0], *messages[2:]),  # no opening
        tuple(m for m in messages if m.role != "tool"),  # calls without answers
        (*messages[:-1], messages[-1], messages[-1]),  # the user twice
        tuple(m.model_copy(update={"tool_call_id": "other"}) if m.role == "tool" else m for m in messages),
    ]
    for wrong in wrongs:
        found = verdict(changed(perfect("total"), messages=wrong))
        assert (found.stage, found.reason) == (FilterStage.VALIDITY, VerdictReason.ROLES_OUT_OF_ORDER)
        assert found.detail.startswith("message ")


def test_calls_that_are_not_the_steps_are_dropped():
    whole = perfect("total")
    assert reason(changed(whole, steps=whole.steps[:-1])) == ("validity", "malformed_call")


def test_a_tool_message_that_is_not_what_the_environment_answered_is_forged():
    whole = perfect("total")
    place = next(i for i, m in enumerate(whole.messages) if m.role == "tool")
    for forged in ({"content": "{}"}, {"content": f"{whole.messages[place].content} "}, {"name": "get_order"}):
        message = whole.messages[place].model_copy(update=forged)
        found = verdict(changed(whole, messages=(*whole.messages[:place], message, *whole.messages[place + 1:])))
        assert (found.stage, found.reason) == (FilterStage.VALIDITY, VerdictReason.FORGED_RESPONSE)
        assert found.detail.startswith(f"message {place}: ")
    step = whole.steps[0].model_copy(update={"response": {"customers": []}})
    assert reason(changed(whole, steps=(step, *whole.steps[1:]))) == ("validity", "forged_response")


def test_the_same_call_with_the_same_result_is_a_loop_and_with_other_results_is_not():
    whole = perfect("total")
    first = whole.steps[0]
    looped = with_steps(whole, [first] * 3 + list(whole.steps))
    assert reason(looped) == ("validity", "repetition")
    assert reason(with_steps(whole, [first] * 2 + list(whole.steps))) == ("exact_match", "extra_call")
    waiting = [first.model_copy(update={"response": {"progress": n}}) for n in range(3)]
    assert reason(with_steps(whole, waiting + list(whole.steps)))[0] == "exact_match"


def test_the_state_decides_for_a_task_that_writes_and_the_detail_shows_the_rows():
    found = verdict(changed(perfect("cancel"), changes=()))
    assert (found.stage, found.reason) == (FilterStage.STATE, VerdictReason.MISSING_CHANGE)
    assert "orders" in found.detail
    assert "cancelled" in found.detail
    both = changed(perfect("cancel"), changes=(*perfect("cancel").changes, *perfect("address").changes))
    found = verdict(both)
    assert (found.stage, found.reason) == (FilterStage.STATE, VerdictReason.EXTRA_CHANGE)
    assert "14 Mill Lane" in found.detail
    other = perfect("address").changes[0]
    wrong = other.model_copy(update={"after": {**other.after, "city": "London"}})
    found = verdict(changed(perfect("address"), changes=(wrong,)))
    assert (found.stage, found.reason) == (FilterStage.STATE, VerdictReason.DIFFERENT_CHANGE)
    assert "London" in found.detail
    assert "Norwich" in found.detail


def test_a_read_only_task_that_changed_something_is_dropped_by_the_state():
    assert reason(changed(perfect("total"), changes=perfect("cancel").changes)) == ("state", "extra_change")


def test_other_calls_to_the_same_state_are_kept():
    whole = perfect("cancel")
    extra = whole.steps[0].model_copy(update={"call": ToolCall(id="x", name="list_products", arguments={})})
    assert verdict(with_steps(whole, [extra, *whole.steps])).kept


def test_exact_match_strict_and_relaxed_on_a_read_only_task():
    whole = perfect("total")
    search, listed, got = whole.steps
    extra = search.model_copy(update={"call": ToolCall(id="x", name="list_products", arguments={})})
    wrong = got.model_copy(update={"call": got.call.model_copy(update={"arguments": {"order_id": "other"}})})
    cases = [
        ([search, listed, got, extra], "extra_call", "kept"),
        ([listed, search, got], "different_order", "kept"),
        ([search, listed], "missing_call", "missing_call"),
        ([search, listed, wrong], "different_arguments", "different_arguments"),
        ([search, listed, wrong, got], "extra_call", "kept"),
        ([search, extra, got], "missing_call", "missing_call"),
    ]
    for steps, strict, relaxed in cases:
        played = with_steps(whole, list(steps))
        assert (reason(played)[1], reason(played, RELAXED)[1]) == (strict, relaxed)


def test_a_failed_call_on_the_way_to_the_goal_is_kept():
    whole = perfect("total")
    failed = whole.steps[0].model_copy(update={
        "error": "invalid_argument", "response": {"error": {"kind": "invalid_argument"}},
        "call": ToolCall(id="x", name="search_customers", arguments={}),
    })
    assert verdict(with_steps(whole, [failed, *whole.steps])).kept
    assert reason(with_steps(whole, [failed, *whole.steps[1:]])) == ("exact_match", "missing_call")


def test_numbers_are_compared_as_json_has_them():
    whole, task = perfect("total"), task_named("total")
    arguments = {**task.gold[0].arguments, "limit": 2}
    gold = (task.gold[0].model_copy(update={"arguments": arguments}), *task.gold[1:])
    step = whole.steps[0].model_copy(update={"call": whole.steps[0].call.model_copy(
        update={"arguments": {**arguments, "limit": 2.0}})})
    played = with_steps(whole, [step, *whole.steps[1:]])
    assert judge(played, task.model_copy(update={"gold": gold}), IDENTITY, STRICT).kept


def test_a_trajectory_of_another_task_is_refused():
    with pytest.raises(ValueError, match="is of task cancel, found total"):
        judge(perfect("cancel"), task_named("total"), IDENTITY, STRICT)


def test_the_funnel_loses_nothing_and_keeps_the_filters_order():
    rows = [
        *[{"kept": True, "stage": "", "reason": "kept", "planted": "", "environment_id": "a"}] * 5,
        *[{"kept": False, "stage": "validity", "reason": "repetition", "planted": "loops", "environment_id": "a"}] * 2,
        {"kept": False, "stage": "state", "reason": "extra_change", "planted": "extra_write", "environment_id": "b"},
        {"kept": False, "stage": "state", "reason": "missing_change", "planted": "gives_up", "environment_id": "b"},
        {"kept": True, "stage": "", "reason": "kept", "planted": "extra_read", "environment_id": "b"},
    ]
    assert [tuple(r) for r in funnel(rows)] == [
        ("validity", 10, 8, {"repetition": 2}),
        ("state", 8, 6, {"extra_change": 1, "missing_change": 1}),
        ("exact_match", 6, 6, {}),
        ("answer", 6, 6, {}),
    ]
    assert [(r.n_in, r.n_out) for r in funnel_by(rows, "environment_id")["b"]] == [(3, 3), (3, 1), (1, 1), (1, 1)]
    assert [r.n_in for r in funnel([])] == [0, 0, 0, 0]


def test_the_stored_funnel_counts_every_trajectory_once_in_each_view():
    rows = [
        {"kept": kept, "stage": stage, "reason": reason, "planted": planted, "environment_id": place, "n_calls": n}
        for kept, stage, reason, planted, place, n in [
            (True, "", "kept", "", "e1", 3), (True, "", "kept", "", "e2", 10),
            (False, "state", "extra_change", "extra_write", "e2", 3),
        ]
    ]
    found = funnel_rows(rows, {"e1": "orders", "e2": "events"})
    views = {by: sum(r["n_in"] for r in found if r["by"] == by and r["stage"] == "validity") for by in
             ("all", "domain", "length", "planted")}
    assert views == dict.fromkeys(views, 3)
    values = [r["value"] for r in found if r["stage"] == "validity"]
    assert values == ["", "events", "orders", "3", "10", "", "extra_write"]    # most first; lengths as numbers
    dropped = [(r["by"], r["value"], r["reasons"]) for r in found if r["n_in"] > r["n_out"]]
    why = '{"extra_change":1}'
    assert dropped == [("all", "", why), ("domain", "events", why), ("length", "3", why),
                       ("planted", "extra_write", why)]

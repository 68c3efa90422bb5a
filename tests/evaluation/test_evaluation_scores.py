"""pass^k against enumeration, intervals against their definitions, failures of machinery apart."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.evaluation.scores import Graded, Score, Unplayed, mean_interval, pass_hat_k, scores, wilson


def graded(item: str, trial: int, reward: float | None, **more) -> Graded:
    whole = {"model": "m", "benchmark": "b", "subset": "s", "group": item, "parts": {}, "uncovered": (), "n_calls": 0}
    return Graded(item_id=item, trial=trial, reward=reward, **{**whole, **more})


def score(found: list[Score], metric: str, by: str = "all", of: str = "", without: str = "") -> Score:
    return next(s for s in found if (s.metric, s.by, s.of, s.without) == (metric, by, of, without))


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_hat_k_is_the_share_of_k_subsets_that_all_succeed(trials, k):
    if k > len(trials):
        with pytest.raises(ValueError, match="not defined"):
            pass_hat_k(sum(trials), len(trials), k)
        return
    subsets = list(combinations(trials, k))
    expected = sum(all(subset) for subset in subsets) / len(subsets)
    assert pass_hat_k(sum(trials), len(trials), k) == pytest.approx(expected)


def test_pass_hat_k_is_averaged_over_tasks():
    trials = {"a": [1, 1, 0, 1], "b": [1, 1, 1, 1], "c": [0, 0, 1, 0]}
    found = scores([graded(item, t, float(r)) for item, rewards in trials.items() for t, r in enumerate(rewards)])
    assert score(found, "pass^1").value == pytest.approx((3 / 4 + 1 + 1 / 4) / 3)
    assert score(found, "pass^2").value == pytest.approx((3 / 6 + 1 + 0) / 3)
    assert score(found, "pass^4").value == pytest.approx((0 + 1 + 0) / 3)


def test_a_conversation_that_the_machinery_broke_is_no_failure_and_is_counted():
    found = scores([graded("a", 0, 1.0), graded("a", 1, None), graded("b", 0, 1.0), graded("b", 1, 1.0)])
    one, two = score(found, "pass^1"), score(found, "pass^2")
    assert (one.value, one.n_items, one.n_episodes) == (1.0, 2, 3)
    assert (two.value, two.n_items) == (1.0, 1)
    broken = score(found, "infrastructure")
    assert (broken.value, broken.n_episodes) == (1 / 4, 4)


def test_a_benchmark_whose_conversations_all_broke_has_no_pass_rate():
    found = scores([graded("a", 0, None)])
    assert [s.metric for s in found if s.by == "all"] == ["infrastructure", "unscored"]


def test_an_item_without_a_trial_left_is_named_and_its_share_is_a_score():
    played = [graded("a", 0, 1.0), graded("a", 1, None), graded("b", 0, None), graded("b", 1, None),
              graded("c", 0, 0.0)]
    found = scores(played, unplayed=[Unplayed("m", "b", "z")])
    assert (score(found, "pass^1").value, score(found, "pass^1").n_items) == (0.5, 2)
    assert (score(found, "unscored").value, score(found, "unscored").n_items) == (pytest.approx(1 / 3), 3)
    assert [(s.of, s.metric, s.n_episodes) for s in found if s.by == "item"] == [("b", "unscored", 2),
                                                                                 ("z", "unscored", 0)]
    assert not [s for s in scores(played[:2]) if s.metric == "unscored"]


def test_a_reward_just_below_one_is_no_success():
    found = scores([graded("a", 0, 0.5), graded("b", 0, 1.0)])
    assert score(found, "pass^1").value == 0.5
    assert score(found, "reward").value == 0.75


def test_scores_with_checks_left_out_are_kept_apart():
    found = scores([graded("a", 0, 1.0, uncovered=("judge",)), graded("b", 0, 0.0)])
    assert score(found, "pass^1", without="judge").value == 1.0
    assert score(found, "pass^1").value == 0.0
    assert score(found, "pass^1").n_items == 1


def test_a_broken_conversation_stands_beside_the_others_of_its_item():
    found = scores([graded("a", 0, 1.0, uncovered=("judge",)), graded("a", 1, None), graded("b", 0, 0.0)])
    assert score(found, "infrastructure", without="judge").value == 0.5
    assert score(found, "infrastructure").value == 0.0


def test_subsets_and_lengths_are_scored_apart_and_lengths_stand_in_number_order():
    found = scores([graded(f"i{n}", 0, float(n < 10), subset=f"s{n % 2}", n_calls=n) for n in (2, 3, 10)])
    assert score(found, "pass^1", "subset", "s0").n_items == 2
    assert [s.of for s in found if s.by == "n_calls" and s.metric == "pass^1"] == ["2", "3", "10"]


def test_parts_are_means_over_the_items_that_have_them():
    found = scores([graded("a", 0, 1.0, parts={"database": 1.0}),
                    graded("b", 0, 0.0, parts={"database": 0.0, "outputs": 1.0})])
    assert score(found, "part:database").value == 0.5
    assert (score(found, "part:outputs").value, score(found, "part:outputs").n_items) == (1.0, 1)


def test_wilson_is_the_interval_of_the_textbook():
    value, low, high = wilson(8, 10)                           # Wilson 1927; R: prop.test(8, 10, correct = FALSE)
    assert (value, low, high) == (0.8, pytest.approx(0.4901625, abs=1e-5), pytest.approx(0.9433178, abs=1e-5))
    assert wilson(0, 10).low == 0.0
    assert wilson(10, 10).high == pytest.approx(1.0)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 5))
def test_an_interval_holds_its_value_and_a_seed_gives_it_again(values, seed):
    groups = [f"g{i // 2}" for i in range(len(values))]
    found = mean_interval(values, groups, seed=seed, draws=200)
    assert found == mean_interval(values, groups, seed=seed, draws=200)
    assert -1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9


def test_values_of_one_group_count_as_one_draw():
    values = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    alone = mean_interval(values, [str(i) for i in range(8)], seed=0)
    together = mean_interval(values, ["a"] * 4 + ["b"] * 4, seed=0)
    assert together.high - together.low > alone.high - alone.low


def test_a_group_succeeds_where_all_its_items_do():
    rewards = {("x", "a"): [1, 1], ("x", "b"): [1, 0], ("y", "c"): [1, None], ("y", "d"): [1, 1], ("z", "e"): [0, 0]}
    found = scores([graded(item, t, None if r is None else float(r), group=group, n_calls=1)
                    for (group, item), each in rewards.items() for t, r in enumerate(each)])
    whole = score(found, "groups")
    assert (whole.value, whole.n_items) == (pytest.approx((1 / 2 + 1 + 0) / 3), 3)      # y's second trial was broken
    assert not [s for s in found if s.metric == "groups" and s.by == "n_calls"]
    assert not [s for s in scores([graded("a", 0, 1.0)]) if s.metric == "groups"]

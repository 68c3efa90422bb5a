"""Grades of many conversations -> scores with intervals: pass^k, mean reward, the checks apart, failures of machinery.

pass^k is tau-bench's (arXiv 2406.12045, section 3): the chance that k independent trials of one task all succeed, for a
task with c successes in n trials C(c, k) / C(n, k), averaged over tasks.

A conversation that the machinery broke (a server that died) is no trial: it is in no n, and its share is a score of its
own (`infrastructure`). A task with fewer than k trials left is in no pass^k; `n_items` says how many are. An item that
has no trial left is in no score: `unscored` is their share, and each is named (`by` item).

Intervals are 95%. Where groups have several trials or a value between 0 and 1, groups are drawn again (bootstrap,
seeded); a share of independent yes-or-no outcomes gets Wilson's interval, and so do outcomes that are all alike, where
drawing again would claim certainty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb, sqrt
from typing import NamedTuple

import numpy as np

from rayscaler import seeds

Z95 = 1.959964
"""The normal quantile of a two-sided 95% interval."""

DRAWS = 2000
"""Bootstrap samples of one interval."""

DRAWN = 2**18
"""Groups that are drawn at a time, 6 MiB: all samples of 100,000 groups would take 5 GB."""

SUCCESS = 1.0 - 1e-6
"""Rewards from here on are successes (tau2-bench's tolerance)."""


class Graded(NamedTuple):
    """One conversation as scores see it. `reward` is None if the machinery broke it."""

    model: str
    benchmark: str
    subset: str
    item_id: str
    group: str
    trial: int
    reward: float | None
    parts: Mapping[str, float]
    uncovered: tuple[str, ...]
    n_calls: int
    labels: tuple[str, ...] = ()
    user_error: bool = False


class Interval(NamedTuple):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


class Score(NamedTuple):
    """One score of one model on one part of a benchmark.

    by, of: what was taken together: `all`, `subset`/retail, `label`/vertical, `n_calls`/3; `item`/retail-7 for an item
    without a trial. without: checks that the benchmark asks for and that were not made; such a score is an upper bound
    and never mixed with whole ones. metric: `pass^1`, `reward`, `part:database`, `infrastructure`, `unscored`;
    `groups`: all items of a group succeed. n_items, n_episodes: what it is a mean of.
    """

    model: str
    benchmark: str
    by: str
    of: str
    without: str
    metric: str
    value: float
    low: float
    high: float
    n_items: int
    n_episodes: int


def pass_hat_k(n_successes: int, n_trials: int, k: int) -> float:
    """The share of the k-subsets of a task's trials that are all successes: C(c, k) / C(n, k).

    Raises ValueError unless 1 <= k <= n and 0 <= c <= n.
    """
    if not (1 <= k <= n_trials and 0 <= n_successes <= n_trials):
        raise ValueError(f"pass^{k} of {n_successes} successes in {n_trials} trials is not defined")
    return comb(n_successes, k) / comb(n_trials, k)


def wilson(n_successes: float, n: int) -> Interval:
    """A share with Wilson's score interval. Raises ValueError for n = 0."""
    if n < 1:
        raise ValueError("a share of nothing has no value")
    share, z2 = n_successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def mean_interval(values: Sequence[float], groups: Sequence[str], *, seed: int, draws: int = DRAWS) -> Interval:
    """The mean of `values` with a 95% interval that knows which of them belong together.

    values: 0 to 1. groups: values of one group are drawn together. Raises ValueError if there are none.
    """
    names = sorted(set(groups))
    share = sum(values) / len(values) if values else 0.0
    alone = len(names) == len(values)
    if (alone and all(value in (0.0, 1.0) for value in values)) or share in (0.0, 1.0):
        found = wilson(share * len(names), len(names))
        return Interval(share, found.low, found.high)
    place = {name: i for i, name in enumerate(names)}
    sums_G, counts_G = np.zeros(len(names)), np.zeros(len(names))
    for value, group in zip(values, groups, strict=True):
        sums_G[place[group]] += value
        counts_G[place[group]] += 1
    rng, at_once = seeds.rng(seed, "bootstrap"), max(1, DRAWN // len(names))
    means_S = np.empty(draws)
    for start in range(0, draws, at_once):
        drawn_SG = rng.integers(0, len(names), (min(at_once, draws - start), len(names)))
        means_S[start : start + at_once] = sums_G[drawn_SG].sum(axis=1) / counts_G[drawn_SG].sum(axis=1)
    low, high = np.quantile(means_S, [0.025, 0.975])
    return Interval(share, min(share, float(low)), max(share, float(high)))


class Unplayed(NamedTuple):
    """An item of which there is no conversation at all: it ended the process that played it."""

    model: str
    benchmark: str
    item_id: str


Place = tuple[str, str, str, str, str]
"""Model, benchmark, by, of, without."""


def scores(graded: Iterable[Graded], *, unplayed: Sequence[Unplayed] = (), seed: int = 0) -> list[Score]:
    """Every score of every model and benchmark: in all, per subset, and per length of the gold run."""
    places: dict[Place, list[Graded]] = defaultdict(list)
    every = list(graded)
    unmade = {(one.benchmark, one.item_id): one.uncovered for one in every if one.reward is not None}
    for one in every:
        # A conversation that the machinery broke has no grade that names them: they are the item's.
        without = "+".join(sorted(unmade.get((one.benchmark, one.item_id), one.uncovered)))
        views = [("all", ""), ("subset", one.subset), *(("label", label) for label in one.labels)]
        views += [("n_calls", str(one.n_calls))] if one.n_calls else []
        for by, of in views:
            places[one.model, one.benchmark, by, of, without].append(one)
    found = []
    for place in sorted(places, key=_place_order):
        for metric, value, n_items, n_episodes in _metrics(places[place], seed):
            if metric != "groups" or place[2] != "n_calls":      # items of one group differ in length
                found.append(Score(*place, metric, *value, n_items, n_episodes))
    return [*found, *_unscored(places, unplayed)]


def _unscored(places: Mapping[Place, list[Graded]], unplayed: Sequence[Unplayed]) -> list[Score]:
    """One score per item without a trial: how many of its conversations broke, none if it was never played."""
    found = []
    for (model, benchmark, by, _, without), graded in places.items():
        if by == "all":
            broken = _without_trial(graded)
            found += [Score(model, benchmark, "item", item, without, "unscored", 1.0, 1.0, 1.0, 1, n)
                      for item, n in broken.items()]
    found += [Score(*one[:2], "item", one.item_id, "", "unscored", 1.0, 1.0, 1.0, 1, 0) for one in unplayed]
    return sorted(found)


def _without_trial(graded: Sequence[Graded]) -> Counter[str]:
    """Items whose conversations the machinery broke all, and how many those are."""
    tried = {one.item_id for one in graded if one.reward is not None}
    return Counter(one.item_id for one in graded if one.item_id not in tried)


def _place_order(place: Place) -> tuple[str, str, int, tuple[int, str], str]:
    model, benchmark, by, of, without = place
    length = int(of) if by == "n_calls" else 0
    return model, benchmark, ("all", "subset", "label", "n_calls").index(by), (length, of), without


def _metrics(graded: list[Graded], seed: int) -> Iterable[tuple[str, Interval, int, int]]:
    """(metric, value, items, conversations) of conversations that are taken together."""
    broken = [one for one in graded if one.reward is None]
    items: dict[str, list[Graded]] = defaultdict(list)
    for one in graded:
        if one.reward is not None:
            items[one.item_id].append(one)
    deepest = max((len(trials) for trials in items.values()), default=0)
    for k in range(1, deepest + 1):
        able = {name: trials for name, trials in items.items() if len(trials) >= k}
        values = [pass_hat_k(_successes(trials), len(trials), k) for trials in able.values()]
        groups = [trials[0].group for trials in able.values()]
        yield f"pass^{k}", mean_interval(values, groups, seed=seed), len(able), sum(map(len, able.values()))
    if items:
        yield "reward", _mean(items, lambda one: one.reward or 0.0, seed), len(items), len(graded) - len(broken)
    for part in sorted({name for trials in items.values() for one in trials for name in one.parts}):
        has = {name: [one for one in trials if part in one.parts] for name, trials in items.items()}
        has = {name: trials for name, trials in has.items() if trials}
        yield f"part:{part}", _mean(has, lambda one: one.parts[part], seed), len(has), sum(map(len, has.values()))  # noqa: B023
    whole = _whole_groups(graded)
    if whole:
        mean = mean_interval(list(whole.values()), list(whole), seed=seed)
        yield "groups", mean, len(whole), len(graded) - len(broken)
    n_items, of_user = len({one.item_id for one in graded}), sum(one.user_error for one in graded)
    yield "infrastructure", wilson(len(broken), len(graded)), n_items, len(graded)
    if n_items > len(items):
        yield "unscored", wilson(n_items - len(items), n_items), n_items, len(graded)
    if of_user:
        yield "user_error", wilson(of_user, len(graded)), n_items, len(graded)


def _whole_groups(graded: list[Graded]) -> dict[str, float]:
    """Group -> the share of its trials in which all its items succeeded. Empty where every item is its own group.

    A trial in which the machinery broke an item of the group is left out.
    """
    members: dict[str, set[str]] = defaultdict(set)
    trials: dict[str, dict[int, list[Graded]]] = defaultdict(lambda: defaultdict(list))
    for one in graded:
        members[one.group].add(one.item_id)
        if one.reward is not None:
            trials[one.group][one.trial].append(one)
    if all(len(names) == 1 for names in members.values()):
        return {}
    found = {}
    for group, names in sorted(members.items()):
        played = [each for each in trials[group].values() if len(each) == len(names)]
        if played:
            found[group] = sum(_successes(each) == len(each) for each in played) / len(played)
    return found


def _mean(items: Mapping[str, list[Graded]], value: Callable[[Graded], float], seed: int) -> Interval:
    """The mean over items of the mean over an item's trials."""
    means = [sum(map(value, trials)) / len(trials) for trials in items.values()]
    return mean_interval(means, [trials[0].group for trials in items.values()], seed=seed)


def _successes(trials: list[Graded]) -> int:
    return sum(one.reward is not None and one.reward >= SUCCESS for one in trials)

"""Episodes: what is recorded of a model on held-out tasks, on single gold calls and on benchmarks, as rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from rayscaler import seeds
from rayscaler.canonical import digest
from rayscaler.evaluation.benchmark import Benchmark, Item
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.rollouts.chat import Sampling, Side
from rayscaler.rollouts.play import MAX_SEED, Recorded
from rayscaler.runtime.conversations import Conversations, Kept, Play, model_call_rows, trajectory_row
from rayscaler.runtime.playing import Bounds, Played, Voices, play_item, unplayed
from rayscaler.tables import EPISODES
from rayscaler.trajectory import Trajectory


class About(NamedTuple):
    """What an episode is an episode of: the columns of `episodes` that its trajectory does not hold."""

    model: str
    benchmark: str
    version: str
    subset: str
    item_id: str
    group: str
    labels: list[str]
    n_gold: int


class Episodes(Conversations):
    """Conversations that play items of benchmarks too. `recipe` names both sides, the trials and the limits."""

    def play_items(self, model: str, benchmark: Benchmark, items: Sequence[Item], *, trials: int) -> list[Kept]:
        """Every trial of every item, in order, each with its rows of `episodes` and of `evaluation_calls`."""
        wanted = [(about_item(model, benchmark, item), item, trial) for item in items for trial in range(trials)]
        names = [episode_id(about, trial) for about, _, trial in wanted]
        plays = [Play(partial(self._episode, about, benchmark, item, trial),
                      partial(self._broken_episode, about, benchmark, item, trial)) for about, item, trial in wanted]
        return self.together(digest(names, length=16), names, plays)

    async def _episode(self, about: About, benchmark: Benchmark, item: Item, trial: int) -> Kept:
        world = await asyncio.to_thread(benchmark.world, item)
        bounds = Bounds(self.recipe.max_turns, self.recipe.max_calls, self.recipe.max_retries)
        async with self.seat():
            voices = self._voices(self._seed_of(benchmark, item, trial))
            played = await play_item(item, world, voices, bounds)
        return self._recorded(about, benchmark, item, trial, played)

    def _broken_episode(self, about: About, benchmark: Benchmark, item: Item, trial: int, error: Exception) -> Kept:
        return self._recorded(about, benchmark, item, trial, unplayed(error))

    def _seed_of(self, benchmark: Benchmark, item: Item, trial: int) -> int:
        # Without the model in it, so that two models meet the same user with the same draws.
        return seeds.seed_of(self.seed, "evaluate", benchmark.name, item.item_id, trial)

    def _recorded(self, about: About, benchmark: Benchmark, item: Item, trial: int, played: Played) -> Kept:
        sides = {"agent": _name(self.recipe.agent), "user": _name(self.recipe.user)}
        name, where = episode_id(about, trial), f"{benchmark.name}/{item.subset}"
        trajectory = played.trajectory(item, trajectory_id=name, where=where, trial=trial,
                                       seed=self._seed_of(benchmark, item, trial), **sides)
        calls = model_call_rows(Recorded(trajectory, played.model_calls), self.recipe)
        return Kept(episode_row(trajectory_row(trajectory), about), calls)

    def _voices(self, seed: int) -> Voices:
        agent, user = self.recipe.agent, self.recipe.user
        assert isinstance(agent, Endpoint), "a scripted agent knows rayscaler's own tasks only"
        chat = self._chat(user) if isinstance(user, Endpoint) else None
        return Voices(self._chat(agent), chat, _sampling(agent, seed, "agent"), _sampling(user, seed, "user"))


def about_item(model: str, benchmark: Benchmark, item: Item) -> About:
    """What an episode of this item says of itself."""
    return About(model, benchmark.name, benchmark.version, item.subset, item.item_id, item.group or item.item_id,
                 list(item.labels), item.n_calls)


def episode_id(about: About, trial: int) -> str:
    """16 hexadecimal digits that name an episode."""
    return digest([about.model, about.benchmark, about.item_id, trial], length=16)


def episode_row(trajectory: dict[str, Any], about: About) -> dict[str, Any]:
    """A row of `episodes` from a row of `trajectories`."""
    row = {**trajectory, **about._asdict(), "episode_id": episode_id(about, trajectory["trial"])}
    return {field.name: row[field.name] for field in EPISODES.fields}


def episode_kept(kept: Kept, about: About) -> Kept:
    """A conversation on a task of the run, as an episode."""
    row = episode_row(kept.row, about)
    return Kept(row, [{**call, "trajectory_id": row["episode_id"]} for call in kept.model_calls])


def scripted_kept(trajectory: Trajectory, about: About) -> Kept:
    """The same for a conversation between scripted sides."""
    return Kept(episode_row(trajectory_row(trajectory), about), [])


def recipe_of(agent: Any, user: Any, *, trials: int, limits: Bounds) -> RolloutRecipe:
    """The rollout that plays one model."""
    return RolloutRecipe(agent=agent, user=user, trials=trials, max_turns=limits.max_turns,
                         max_calls=limits.max_calls, max_retries=limits.max_retries)


def _name(side: Any) -> str:
    return side.model if isinstance(side, Endpoint) else str(side.kind)


def _sampling(side: Any, seed: int, which: Side) -> Sampling:
    if not isinstance(side, Endpoint):
        return Sampling()
    drawn = seeds.seed_of(seed, which) % MAX_SEED
    return Sampling(side.temperature, side.top_p, side.max_tokens, drawn)

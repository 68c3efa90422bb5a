"""The funnel for one trajectory: validity, then state, then exact match, then (ours) the answers.

The first that objects decides.
"""

from __future__ import annotations

from rayscaler.changes import Identity
from rayscaler.filters.exact_match import mismatched
from rayscaler.filters.recorded import Played, Wanted, read_played, read_wanted
from rayscaler.filters.state import misaligned
from rayscaler.filters.told import untold
from rayscaler.filters.validity import invalid
from rayscaler.recipes import FilterRecipe
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory, Verdict, VerdictReason


def judge(trajectory: Trajectory, task: Task, identity: Identity, recipe: FilterRecipe) -> Verdict:
    """Whether `trajectory` is kept, and if not, by which filter and why (AgentScaler, arXiv 2509.13311, section 3.1).

    The paper's three filters, then ours, which `recipe.answers` switches off.

    identity: `environment.spec.identity` of the task's environment. Raises ValueError if the trajectory is of another
    task.
    """
    return judge_recorded(read_played(trajectory), read_wanted(task), identity, recipe)


def judge_recorded(played: Played, wanted: Wanted, identity: Identity, recipe: FilterRecipe) -> Verdict:
    """`judge` for a trajectory and a task as they are stored: `read_played(row["trajectory"])`."""
    if played.task_id != wanted.task_id:
        raise ValueError(f"trajectory {played.trajectory_id} is of task {played.task_id}, found {wanted.task_id}")
    return (
        invalid(played, recipe)
        or misaligned(played, wanted, identity)
        or mismatched(played, wanted, mode=recipe.exact_match)
        or (untold(played, wanted) if recipe.answers else None)
        or Verdict(kept=True, stage=None, reason=VerdictReason.KEPT)
    )

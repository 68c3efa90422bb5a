"""The funnel for one trajectory: validity, then state, then exact match, then (ours) the answers.

The first that objects decides.
"""

from __future__ import annotations

from rayscaler.changes import Identity
from rayscaler.filters.exact_match import mismatched
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
    if trajectory.task_id != task.task_id:
        raise ValueError(f"trajectory {trajectory.trajectory_id} is of task {trajectory.task_id}, found {task.task_id}")
    return (
        invalid(trajectory, recipe)
        or misaligned(trajectory, task, identity)
        or mismatched(trajectory, task, mode=recipe.exact_match)
        or (untold(trajectory, task) if recipe.answers else None)
        or Verdict(kept=True, stage=None, reason=VerdictReason.KEPT)
    )

"""Which split a task belongs to: by hash, so it never changes when others come or go."""

from __future__ import annotations

import hashlib

from rayscaler.recipes import ComposeRecipe
from rayscaler.task import Split


def split_of(environment_id: str, task_id: str, recipe: ComposeRecipe) -> Split:
    """`heldout_domain` if the environment's hash falls in the held-out share, else by the task's own hash."""
    if share(f"domain:{environment_id}") < recipe.heldout_domains:
        return "heldout_domain"
    return "heldout_task" if share(f"task:{task_id}") < recipe.heldout_tasks else "train"


def share(text: str) -> float:
    """A number in [0, 1) that `text` alone decides, evenly spread."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32

"""Splits go by hash."""

from __future__ import annotations

from rayscaler.recipes import ComposeRecipe
from rayscaler.tasks.split import share, split_of


def test_a_task_of_a_held_out_domain_is_held_out_whatever_its_own_hash():
    recipe = ComposeRecipe(heldout_domains=1.0, heldout_tasks=0.0)
    assert split_of("shop", "task-1", recipe) == "heldout_domain"


def test_the_shares_are_those_of_the_recipe():
    recipe = ComposeRecipe(heldout_domains=0.2, heldout_tasks=0.1)
    splits = [split_of(f"environment-{i}", f"task-{i}", recipe) for i in range(5000)]
    assert abs(splits.count("heldout_domain") / 5000 - 0.2) < 0.02
    assert abs(splits.count("heldout_task") / 5000 - 0.8 * 0.1) < 0.02


def test_a_share_never_changes():
    assert share("task:task-1") == int("a9c08304", 16) / 2**32      # the first 8 digits of its SHA-256

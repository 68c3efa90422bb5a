"""A finished run on the shop, made without Ray: five tasks, two conversations each, verdicts and examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.config import parse_config
from rayscaler.filters.funnel import funnel_rows
from rayscaler.filters.judge import judge
from rayscaler.reasons import Reason
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.record import Record
from rayscaler.rollouts.play import play
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.compose import task_row
from rayscaler.stages.filter import verdict_row
from rayscaler.stages.materialize import environment_row
from rayscaler.stages.rollout import trajectory_row
from rayscaler.table import to_arrow
from rayscaler.tables import ENVIRONMENTS, EXAMPLES, FUNNEL, REJECTS, TASKS, TOKENIZERS, TRAJECTORIES, VERDICTS
from rayscaler.training import CHAT_TEMPLATE, load_tokenizer, render, train_bpe
from rayscaler.trajectory import Trajectory
from shop_tasks import shop, shop_tasks

MARK = "0123456789abcdef"


def write_shop_run(folder: Path) -> Path:
    """Write the run into `folder` and return it."""
    store, rows = Store(str(folder)), _rows()
    for table in (ENVIRONMENTS, TASKS, TRAJECTORIES, VERDICTS, FUNNEL, TOKENIZERS, EXAMPLES, REJECTS):
        ref = Ref(table, MARK)
        store.write_part(ref, "part-00000-0.parquet", to_arrow(table, rows[table.name]))
        store.write_record(ref, Record(
            table=str(table), fingerprint=MARK, stage="curate", stage_version=1, recipe={}, seed=7, inputs={},
            rows=len(rows[table.name]), files=1, content="", rows_in=0, reasons={}, seconds=1.5, rayscaler="0.1.0",
        ))  # fmt: skip
    config = parse_config({"name": "shop", "seed": 7}, base=folder).model_dump(mode="json", exclude={"base"})
    store.write_json({"config": config, "tables": dict.fromkeys(rows, MARK), "stages": {"curate": MARK}}, "run.json")
    return folder


def _rows() -> dict[str, list[dict[str, Any]]]:
    recipe = RolloutRecipe(trials=2, agent=ScriptedAgent(error_rate=0.5))
    tasks = shop_tasks()
    trajectories = [play(t, shop(), recipe, trial=trial, seed=7) for t in tasks for trial in range(recipe.trials)]
    by_id = {task.task_id: task for task in tasks}
    identity = shop().spec.identity
    verdicts = [(t, judge(t, by_id[t.task_id], identity, FilterRecipe())) for t in trajectories]
    tokenizer_json = train_bpe([m.content for t in trajectories for m in t.messages], 600)
    return {
        ENVIRONMENTS.name: [environment_row(shop().spec, {})],
        TASKS.name: [task_row(task) for task in tasks],
        TRAJECTORIES.name: [trajectory_row(trajectory) for trajectory in trajectories],
        VERDICTS.name: [verdict_row(trajectory, verdict) for trajectory, verdict in verdicts],
        FUNNEL.name: funnel_rows(
            [verdict_row(trajectory, verdict) for trajectory, verdict in verdicts],
            {shop().spec.environment_id: shop().spec.title},
        ),
        TOKENIZERS.name: [{"name": "bpe-600", "tokenizer_json": tokenizer_json, "chat_template": CHAT_TEMPLATE}],
        EXAMPLES.name: [_example(t, tokenizer_json) for t, verdict in verdicts if verdict.kept],
        REJECTS.name: [
            {"stage": "curate", "key": t.trajectory_id, "reason": Reason.NOT_KEPT.value, "detail": str(verdict.reason)}
            for t, verdict in verdicts
            if not verdict.kept
        ],
    }


def _example(trajectory: Trajectory, tokenizer_json: str) -> dict[str, Any]:
    tools = [tool.to_openai() for tool in shop().spec.tools]
    trajectory = Trajectory.model_validate_json(dumps(trajectory))  # as `curate` reads it: arguments in canonical order
    rendered = render(trajectory.messages, tools, load_tokenizer(tokenizer_json))
    return {
        "trajectory_id": trajectory.trajectory_id, "task_id": trajectory.task_id,
        "environment_id": trajectory.environment_id, "phase": 1,
        "messages": json.dumps([m.to_openai() for m in trajectory.messages]), "tools": json.dumps(tools),
        "input_ids": rendered.input_ids, "loss_mask": rendered.loss_mask, "n_tokens": len(rendered.input_ids),
        "n_supervised": sum(rendered.loss_mask),
    }  # fmt: skip

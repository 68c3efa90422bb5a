"""An evaluation's results written to files as other tools read them (`evaluation.report`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rayscaler import __version__
from rayscaler.evaluation.report import lm_eval_results, tau2_results
from rayscaler.runs import Run
from rayscaler.trajectory import Trajectory


def write_reports(run: Run, folder: Path) -> Iterator[Path]:
    """Write `<folder>/<model>/results_<date>.json` and `<folder>/<model>/<benchmark>/results.json`; their paths.

    The date is that of writing: a run's tables hold none.
    """
    now = datetime.now(UTC)
    scores, episodes = run.table("scores").to_pylist(), run.table("episodes").to_pylist()
    grades = {row["episode_id"]: row for row in run.table("grades").to_pylist()}
    recipe = run.config["recipes"]["evaluate"]
    commit = f"rayscaler {__version__}"
    for model in dict.fromkeys(row["model"] for row in episodes):
        about = {"model": model, "date": now.timestamp(), "commit": commit, "seed": run.config["seed"]}
        own = [row for row in scores if row["model"] == model]
        name = f"results_{now.strftime('%Y-%m-%dT%H-%M-%S.%f')}.json"
        yield _written(folder / model / name, lm_eval_results(own, about=about))
        for benchmark in dict.fromkeys(row["benchmark"] for row in episodes if row["model"] == model):
            rows = [row for row in episodes if (row["model"], row["benchmark"]) == (model, benchmark)]
            said = {"timestamp": now.isoformat(), "commit": commit, "max_steps": recipe["max_turns"],
                    "policy": _policy(rows[0])}
            yield _written(folder / model / benchmark / "results.json", tau2_results(rows, grades, about=said))


def _policy(row: dict[str, Any]) -> str:
    """The system prompt of one episode; those of held-out tasks differ by domain."""
    messages = Trajectory.model_validate_json(row["trajectory"]).messages
    return next((message.content for message in messages if message.role == "system"), "")


def _written(path: Path, value: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path

"""The pictures of the README, drawn from a finished run: `python scripts/pictures.py runs/starter`."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console, RenderableType

from rayscaler.display.conversation import mask_text, trajectory_text
from rayscaler.runs import Run, open_run
from rayscaler.training.tokenizer import load_tokenizer
from rayscaler.trajectory import Trajectory, Verdict

DOCS = Path(__file__).parents[1] / "docs"
LONGEST = 3_000
"""Characters of a conversation that fits a picture."""


def main() -> None:
    """Write docs/conversation.svg and docs/mask.svg."""
    run = open_run(sys.argv[1])
    chosen, verdict = _a_short_conversation(run)
    _draw(trajectory_text(chosen, verdict), "conversation", "one conversation, with the rows that each call changed")
    row = next(r for r in run.table("examples").to_pylist() if r["trajectory_id"] == chosen.trajectory_id)
    tokenizer = run.table("tokenizers").to_pylist()[0]
    decoder = load_tokenizer(tokenizer["tokenizer_json"], tokenizer["chat_template"])
    start = row["loss_mask"].index(1)
    _draw(mask_text(row["input_ids"][start:], row["loss_mask"][start:], decoder), "mask", "what the loss looks at")


def _a_short_conversation(run: Run) -> tuple[Trajectory, Verdict]:
    """The kept training conversation with the most row changes among those that fit."""
    examples = set(run.table("examples")["trajectory_id"].to_pylist())
    verdicts = {row["trajectory_id"]: row for row in run.table("verdicts").to_pylist()}
    texts = run.table("trajectories")["trajectory"].to_pylist()
    found = [Trajectory.model_validate_json(text) for text in texts if len(text) < 4 * LONGEST]
    fitting = [t for t in found if t.trajectory_id in examples and sum(len(m.content) for m in t.messages) < LONGEST]
    best = max(fitting, key=lambda t: (len(t.changes), len(t.steps), t.trajectory_id))
    row = verdicts[best.trajectory_id]
    return best, Verdict(kept=row["kept"], stage=row["stage"] or None, reason=row["reason"], detail=row["detail"])


def _draw(content: RenderableType, name: str, title: str) -> None:
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(content)
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)   # no web fonts
    (DOCS / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

"""ACEBench's files -> entries: one question with its functions and its answers.

    data_all/data_en/data_normal_atom_bool.json                   {"id", "question", "function", "time"} per line
    data_all/data_en/possible_answer/data_normal_atom_bool.json   {"id", "ground_truth", "mile_stone"} per line
    agent_scenario_initial_state.json                             {"multi_turn_en": {"BaseApi": {"wifi": false, ...}}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayscaler.errors import ConfigError

LANGUAGES = ("en", "zh")

STATES = "agent_scenario_initial_state.json"


@dataclass(frozen=True)
class Entry:
    """One line of the benchmark with its line of answers."""

    entry_id: str
    language: str
    category: str
    question: str
    functions: tuple[dict[str, Any], ...]
    truth: Any
    """Calls, phrases or states, by the category."""
    time: str = ""
    profile: str = ""
    milestones: tuple[Any, ...] = ()
    device: dict[str, Any] | None = None
    classes: tuple[str, ...] = ()

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The answers, any of which will do."""
        return self.truth if isinstance(self.truth, list) else [self.truth]

    @property
    def dialogue(self) -> str:
        """Questions of one dialogue share it."""
        stem = self.entry_id.rsplit("_", 1)[0] if "normal_multi_turn" in self.category else self.entry_id
        return f"{self.language}/{stem}"


def read_entries(folder: Path) -> list[Entry]:
    """Every entry, by language and category. ConfigError if the folder does not hold ACEBench."""
    found = []
    for language in LANGUAGES:
        for path in sorted((folder / "data_all" / f"data_{language}").glob("data_*.json")):
            category = path.stem.removeprefix("data_")
            answers = {row["id"]: row for row in _rows(path.parent / "possible_answer" / path.name)}
            found += [_entry(row, answers[row["id"]], language, category) for row in _rows(path)]
    if not found:
        raise ConfigError(f"acebench: {folder} has no data_all/data_en/data_*.json; it is not a copy of ACEBench")
    return found


def read_states(folder: Path) -> dict[str, Any]:
    """The attributes of fresh scenarios, `multi_turn_en` -> class -> attribute. Empty where the file is not there."""
    path = folder / STATES
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return loaded


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise ConfigError(f"acebench: {path} is missing")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _entry(row: dict[str, Any], answer: dict[str, Any], language: str, category: str) -> Entry:
    return Entry(
        entry_id=row["id"], language=language, category=category, question=row["question"],
        functions=tuple(row["function"]), truth=answer["ground_truth"], time=row.get("time", ""),
        profile=str(row.get("profile", "")), milestones=tuple(answer.get("mile_stone", ())),
        device=row.get("initial_config", {}).get("BaseApi", {}), classes=tuple(row.get("involved_classes", ())),
    )  # fmt: skip

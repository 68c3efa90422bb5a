"""All recipes of a run in one: a configuration file has one key per stage."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from rayscaler.recipes import (
    ComposeRecipe,
    ConnectRecipe,
    CurateRecipe,
    EmbedRecipe,
    FilterRecipe,
    IngestRecipe,
    LinkRecipe,
    MaterializeRecipe,
    PartitionRecipe,
    Recipe,
    RolloutRecipe,
    TrainRecipe,
)
from rayscaler.recipes_evaluate import EvaluateRecipe, ScoreRecipe


class Recipes(Recipe):
    """All recipes of a run, by stage name. A stage whose recipe is None is not part of the run."""

    ingest: IngestRecipe = IngestRecipe()
    embed: EmbedRecipe = EmbedRecipe()
    connect: ConnectRecipe = ConnectRecipe()
    partition: PartitionRecipe = PartitionRecipe()
    link: LinkRecipe = LinkRecipe()
    materialize: MaterializeRecipe = MaterializeRecipe()
    compose: ComposeRecipe = ComposeRecipe()
    rollout: RolloutRecipe = RolloutRecipe()
    filter: FilterRecipe = FilterRecipe()
    curate: CurateRecipe = CurateRecipe()
    train: TrainRecipe | None = None
    evaluate: EvaluateRecipe | None = None
    score: ScoreRecipe | None = None

    @model_validator(mode="before")
    @classmethod
    def _episodes_are_scored(cls, values: Any) -> Any:
        """What is played is scored, on the same data: `score` needs to be written only to change how."""
        if not isinstance(values, dict) or not isinstance(values.get("evaluate"), dict):
            return values
        played, score = values["evaluate"], values.get("score") or {}
        heldout = played.get("heldout", {})
        same = {"heldout": heldout is not None, "benchmarks": played.get("benchmarks", ())}
        if isinstance(heldout, dict) and "gold" in heldout:
            same["gold"] = heldout["gold"]
        return {**values, "score": {**score, **same}} if isinstance(score, dict) else values

"""Two engines behind one small protocol: PyTorch's own data parallelism, and DeepSpeed ZeRO.

An engine adds up gradients of one packed row after another and then steps. It is told the scale of each row, so that
the gradient is that of the step's mean loss per supervised token, however the rows are spread over workers.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol

from rayscaler.recipes import TrainRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.models import SCRATCH, load_model
from rayscaler.training.packing import IGNORED, Row

STATE = "state.pt"

ZERO_3 = 3
"""DeepSpeed's stage that shards the weights themselves."""


class Engine(Protocol):
    """What the training loop needs. Sums are over this worker's rows; gradients are averaged over workers."""

    model: Any

    def accumulate(self, row: Row, scale: float, *, last: bool) -> float:
        """Add the gradient of `scale` times the row's summed loss; returns that sum, in nats."""

    def update(self, learning_rate: float) -> float:
        """One optimiser step on what was accumulated; the gradient's norm before it was clipped."""

    def weights(self) -> dict[str, Any]:
        """All weights of the model, gathered on worker 0 (empty on the others)."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs. Every worker calls it."""

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote."""


def summed_loss(model: Any, row: Row, device: Any) -> Any:
    """Cross entropy over the supervised tokens of a packed row, summed (eq. 2), as a tensor with a gradient.

    Logits are made only where a target is: at full length, 8,192 tokens of a vocabulary of 150,000 take 5 GB.
    """
    import torch

    labels_T = torch.tensor(row.labels_T, device=device)
    before_S = torch.nonzero(labels_T[1:] != IGNORED).squeeze(1)
    logits_SV = model(
        input_ids=torch.tensor([row.input_ids_T], device=device),
        position_ids=torch.tensor([row.position_ids_T], device=device),
        logits_to_keep=before_S,
        use_cache=False,
    ).logits[0]
    return torch.nn.functional.cross_entropy(logits_SV.float(), labels_T[before_S + 1], reduction="sum")


def adamw_groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters in two groups: matrices decay, norms and biases do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices, vectors = [p for p in trained if p.dim() > 1], [p for p in trained if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def make_engine(
    start: str, recipe: TrainRecipe, resources: Resources, deepspeed: dict[str, Any] | None, *,
    vocabulary: int, seed: int, rows: int, world: int,
) -> Engine:  # fmt: skip
    """The engine with the model at `start` in it. rows: how many each worker accumulates per step."""
    import ray.train.torch

    def load() -> Any:
        return load_model(start, recipe, vocabulary=vocabulary, seed=seed, attention=resources.attention)

    if deepspeed is None:
        return TorchEngine(load(), recipe, device=ray.train.torch.get_device(), world=world)
    if deepspeed.get("zero_optimization", {}).get("stage") != ZERO_3 or start == SCRATCH:
        return DeepSpeedEngine(load(), recipe, deepspeed, rows=rows)
    from transformers.integrations.deepspeed import HfDeepSpeedConfig

    sharded = HfDeepSpeedConfig({**deepspeed, "train_micro_batch_size_per_gpu": 1})  # type: ignore[no-untyped-call]
    model = load()  # while `sharded` lives, from_pretrained shards the weights as it reads them
    del sharded
    return DeepSpeedEngine(model, recipe, deepspeed, rows=rows)


class TorchEngine:
    """PyTorch: DistributedDataParallel where there are several workers, AdamW, autocast to bfloat16."""

    def __init__(self, model: Any, recipe: TrainRecipe, *, device: Any, world: int) -> None:
        import torch
        from torch.nn.parallel import DistributedDataParallel

        self.device, self.world, self.clip = device, world, recipe.clip
        self.model = model.to(device)
        self.parallel = DistributedDataParallel(self.model) if world > 1 else self.model
        self.optimizer = torch.optim.AdamW(adamw_groups(self.model, recipe.weight_decay))
        self.half = recipe.precision == "bf16"

    def accumulate(self, row: Row, scale: float, *, last: bool) -> float:
        """Gradients travel between workers with the last row only."""
        import torch

        alone = self.world > 1 and not last
        with self.parallel.no_sync() if alone else contextlib.nullcontext():
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
                loss = summed_loss(self.parallel, row, self.device)
            (loss * scale * self.world).backward()
        return float(loss.detach())

    def update(self, learning_rate: float) -> float:
        """Clip, step, forget the gradients."""
        import torch

        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def weights(self) -> dict[str, Any]:
        """Every worker has them all."""
        return dict(self.model.state_dict())

    def save(self, folder: Path) -> None:
        """Worker 0 writes model and optimiser; the others have the same."""
        import torch
        import torch.distributed as dist

        if self.world == 1 or dist.get_rank() == 0:
            torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}, folder / STATE)

    def load(self, folder: Path) -> None:
        """Raises what torch raises for a state of another model."""
        import torch

        state = torch.load(folder / STATE, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class DeepSpeedEngine:
    """DeepSpeed: ZeRO stages and offload from the user's JSON; batch, precision and clipping from the recipe."""

    def __init__(self, model: Any, recipe: TrainRecipe, settings: dict[str, Any], *, rows: int) -> None:
        """rows: how many rows each worker accumulates per step."""
        import deepspeed
        import torch

        self.rows = rows
        groups = adamw_groups(model, recipe.weight_decay)
        optimizer = None if "optimizer" in settings else torch.optim.AdamW(groups)
        self.engine, *_ = deepspeed.initialize(
            model=model,
            model_parameters=groups if optimizer is None else None,
            optimizer=optimizer,
            config=deepspeed_settings(settings, recipe, rows),
        )
        self.model = self.engine.module

    def accumulate(self, row: Row, scale: float, *, last: bool) -> float:
        """DeepSpeed divides by the rows of a step and by the workers: both are multiplied back."""
        import torch.distributed as dist

        loss = summed_loss(self.engine, row, self.engine.device)
        self.engine.backward(loss * (scale * self.rows * dist.get_world_size()))
        if not last:
            self.engine.step()  # counts the row, no more
        return float(loss.detach())

    def update(self, learning_rate: float) -> float:
        """The step after the last row is the one that counts."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        return float(self.engine.get_global_grad_norm() or 0.0)

    def weights(self) -> dict[str, Any]:
        """One parameter after another, so that no worker holds more than one whole one besides worker 0."""
        import deepspeed
        import torch.distributed as dist

        found = {}
        for name, parameter in self.model.named_parameters():
            with deepspeed.zero.GatheredParameters([parameter]):
                if dist.get_rank() == 0:
                    found[name] = parameter.detach().float().cpu().clone()
        return found

    def save(self, folder: Path) -> None:
        """Each worker writes its own part."""
        self.engine.save_checkpoint(str(folder), tag="state")

    def load(self, folder: Path) -> None:
        """Needs as many workers as there were."""
        self.engine.load_checkpoint(str(folder), tag="state")


def deepspeed_settings(settings: dict[str, Any], recipe: TrainRecipe, rows: int) -> dict[str, Any]:
    """The user's configuration with what the recipe decides filled in."""
    whole: dict[str, Any] = {
        **settings,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": rows,
        "gradient_clipping": recipe.clip,
        "bf16": {"enabled": recipe.precision == "bf16"},
        "zero_allow_untested_optimizer": True,
    }
    if "optimizer" in settings:
        chosen = settings["optimizer"]
        decay = {"lr": 0.0, "weight_decay": recipe.weight_decay}
        whole["optimizer"] = {**chosen, "params": {**chosen.get("params", {}), **decay}}
    return whole

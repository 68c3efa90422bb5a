"""Two engines behind one small protocol: PyTorch's own data parallelism, and DeepSpeed ZeRO.

An engine adds up gradients of some packed rows after others and then steps. It is told the scale of the rows, so that
the gradient is that of the step's mean loss per supervised token, however the rows are spread over workers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from rayscaler.errors import ConfigError
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

    def accumulate(self, rows: Sequence[Row], scale: float, *, last: bool) -> float:
        """Add the gradient of `scale` times the rows' summed loss; returns that sum, in nats."""

    def update(self, learning_rate: float) -> float:
        """One optimiser step on what was accumulated; the gradient's norm before it was clipped."""

    def weights(self) -> dict[str, Any]:
        """All weights of the model, gathered on worker 0 (empty on the others)."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs. Every worker calls it."""

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote."""


def summed_loss(model: Any, head: Any, rows: Sequence[Row], device: Any) -> Any:
    """Cross entropy over the supervised tokens of packed rows, summed (eq. 2), as a tensor with a gradient.

    head: the layer of `model` that makes logits. It is given those places alone that have a target: at full length,
    8,192 tokens of a vocabulary of 150,000 take 5 GB. Shorter rows are filled up by an example without a target.
    """
    import torch

    input_BT, labels_BT, positions_BT = (
        torch.tensor(_filled([row[part] for row in rows], fill), device=device) for part, fill in enumerate(_FILLS)
    )
    targets_BT = labels_BT[:, 1:]
    has_target_BT = targets_BT != IGNORED
    with _applied_to(head, has_target_BT):
        logits_SV = model(input_ids=input_BT, position_ids=positions_BT, use_cache=False).logits[0]
    return torch.nn.functional.cross_entropy(logits_SV.float(), targets_BT[has_target_BT], reduction="sum")


_FILLS = (0, IGNORED, None)
"""What fills up the parts of a `Row`; positions count from 0 again."""


def _filled(parts: Sequence[list[int]], fill: int | None) -> list[list[int]]:
    longest = max(map(len, parts))
    missing = [range(longest - len(part)) for part in parts]
    return [[*part, *(rest if fill is None else [fill] * len(rest))] for part, rest in zip(parts, missing, strict=True)]


@contextlib.contextmanager
def _applied_to(head: Any, chosen_BT: Any) -> Iterator[None]:
    """Inside the block `head` sees the chosen places only, all rows' as one: (1, S, hidden)."""

    def choose(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0][:, :-1][chosen_BT][None],)

    hook = head.register_forward_pre_hook(choose)
    try:
        yield
    finally:
        hook.remove()


def adamw_groups(parameters: Iterable[Any], weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters in two groups: matrices decay, norms and biases do not."""
    trained = [p for p in parameters if p.requires_grad]
    matrices, vectors = [p for p in trained if p.dim() > 1], [p for p in trained if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def optimizers(model: Any, recipe: TrainRecipe) -> list[Any]:
    """AdamW for all weights; or Muon for the matrices between embeddings and head, and AdamW for the rest.

    Muon's steps are scaled to the size of AdamW's, so that one learning rate serves both (arXiv 2502.16982).
    """
    import torch

    betas, decay = (0.9, recipe.beta2), recipe.weight_decay
    if recipe.optimizer == "adamw":
        return [torch.optim.AdamW(adamw_groups(model.parameters(), decay), betas=betas)]
    ends = {id(layer.weight) for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    inner = [p for p in model.parameters() if p.requires_grad and p.dim() == 2 and id(p) not in ends]
    chosen = set(map(id, inner))
    rest = adamw_groups((p for p in model.parameters() if id(p) not in chosen), decay)
    muon = torch.optim.Muon(inner, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return [muon, *([torch.optim.AdamW(rest, betas=betas)] if rest else [])]


def make_engine(
    start: str, recipe: TrainRecipe, resources: Resources, deepspeed: dict[str, Any] | None, *,
    vocabulary: int, seed: int, passes: int, world: int,
) -> Engine:  # fmt: skip
    """The engine with the model at `start` in it. passes: how often each worker accumulates per step."""
    import ray.train.torch

    def load() -> Any:
        return load_model(start, recipe, vocabulary=vocabulary, seed=seed, attention=resources.attention)

    if deepspeed is None:
        return TorchEngine(load(), recipe, device=ray.train.torch.get_device(), world=world)
    if deepspeed.get("zero_optimization", {}).get("stage") != ZERO_3 or start == SCRATCH:
        return DeepSpeedEngine(load(), recipe, deepspeed, passes=passes)
    from transformers.integrations.deepspeed import HfDeepSpeedConfig

    sharded = HfDeepSpeedConfig({**deepspeed, "train_micro_batch_size_per_gpu": 1})  # type: ignore[no-untyped-call]
    model = load()  # while `sharded` lives, from_pretrained shards the weights as it reads them
    del sharded
    return DeepSpeedEngine(model, recipe, deepspeed, passes=passes)


class TorchEngine:
    """PyTorch: DistributedDataParallel where there are several workers, AdamW or Muon, autocast to bfloat16."""

    def __init__(self, model: Any, recipe: TrainRecipe, *, device: Any, world: int) -> None:
        from torch.nn.parallel import DistributedDataParallel

        self.device, self.world, self.clip = device, world, recipe.clip
        self.model = model.to(device)
        self.head = model.get_output_embeddings()
        self.parallel = DistributedDataParallel(self.model) if world > 1 else self.model
        self.optimizers = optimizers(self.model, recipe)
        self.half = recipe.precision == "bf16"

    def accumulate(self, rows: Sequence[Row], scale: float, *, last: bool) -> float:
        """Gradients travel between workers with the last rows only."""
        import torch

        alone = self.world > 1 and not last
        with self.parallel.no_sync() if alone else contextlib.nullcontext():
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
                loss = summed_loss(self.parallel, self.head, rows, self.device)
            (loss * scale * self.world).backward()
        return float(loss.detach())

    def update(self, learning_rate: float) -> float:
        """Clip, step, forget the gradients."""
        import torch

        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def weights(self) -> dict[str, Any]:
        """Every worker has them all."""
        return dict(self.model.state_dict())

    def save(self, folder: Path) -> None:
        """Worker 0 writes model and optimiser; the others have the same."""
        import torch
        import torch.distributed as dist

        if self.world == 1 or dist.get_rank() == 0:
            states = [optimizer.state_dict() for optimizer in self.optimizers]
            torch.save({"model": self.model.state_dict(), "optimizers": states}, folder / STATE)

    def load(self, folder: Path) -> None:
        """Raises what torch raises for a state of another model."""
        import torch

        state = torch.load(folder / STATE, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)


class DeepSpeedEngine:
    """DeepSpeed: ZeRO stages and offload from the user's JSON; batch, precision and clipping from the recipe."""

    def __init__(self, model: Any, recipe: TrainRecipe, settings: dict[str, Any], *, passes: int) -> None:
        """passes: how often each worker accumulates per step."""
        import deepspeed
        import torch

        if recipe.optimizer != "adamw":
            raise ConfigError(f"train.optimizer: {recipe.optimizer} runs without DeepSpeed only; take adamw, or no "
                              "`resources.deepspeed`")
        self.passes = passes
        self.head = model.get_output_embeddings()
        groups = adamw_groups(model.parameters(), recipe.weight_decay)
        optimizer = None if "optimizer" in settings else torch.optim.AdamW(groups, betas=(0.9, recipe.beta2))
        self.engine, *_ = deepspeed.initialize(
            model=model,
            model_parameters=groups if optimizer is None else None,
            optimizer=optimizer,
            config=deepspeed_settings(settings, recipe, passes),
        )
        self.model = self.engine.module

    def accumulate(self, rows: Sequence[Row], scale: float, *, last: bool) -> float:
        """DeepSpeed divides by the passes of a step and by the workers: both are multiplied back."""
        import torch.distributed as dist

        loss = summed_loss(self.engine, self.head, rows, self.engine.device)
        self.engine.backward(loss * (scale * self.passes * dist.get_world_size()))
        if not last:
            self.engine.step()  # counts the pass, no more
        return float(loss.detach())

    def update(self, learning_rate: float) -> float:
        """The step after the last pass is the one that counts."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        return float(self.engine.get_global_grad_norm() or 0.0)

    def weights(self) -> dict[str, Any]:
        """One parameter after another, so that no worker holds more than one whole one besides worker 0.

        Those of the optimiser, which are float32; the model's own are bfloat16 where the recipe says so.
        """
        import deepspeed
        import torch.distributed as dist
        from deepspeed.utils import safe_get_full_fp32_param

        found = {}
        for name, parameter in self.model.named_parameters():
            whole = safe_get_full_fp32_param(parameter) if parameter.requires_grad else None
            with deepspeed.zero.GatheredParameters([parameter]):
                if dist.get_rank() == 0:
                    found[name] = (parameter if whole is None else whole).detach().float().cpu().clone()
        return found

    def save(self, folder: Path) -> None:
        """Each worker writes its own part."""
        self.engine.save_checkpoint(str(folder), tag="state")

    def load(self, folder: Path) -> None:
        """Needs as many workers as there were."""
        self.engine.load_checkpoint(str(folder), tag="state")


def deepspeed_settings(settings: dict[str, Any], recipe: TrainRecipe, passes: int) -> dict[str, Any]:
    """The user's configuration with what the recipe decides filled in."""
    whole: dict[str, Any] = {
        **settings,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": passes,
        "gradient_clipping": recipe.clip,
        "bf16": {"enabled": recipe.precision == "bf16"},
        "zero_allow_untested_optimizer": True,
    }
    if "optimizer" in settings:
        chosen = settings["optimizer"]
        decay = {"lr": 0.0, "weight_decay": recipe.weight_decay}
        whole["optimizer"] = {**chosen, "params": {**chosen.get("params", {}), **decay}}
    return whole

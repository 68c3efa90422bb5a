"""The loss of eq. 2 on packed rows: no look across a border, one mean over a step however its rows are dealt out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rayscaler.recipes import Lora, Shape, TrainRecipe
from rayscaler.runtime.engines import TorchEngine, optimizers, summed_loss
from rayscaler.runtime.models import load_model
from rayscaler.training.packing import IGNORED, Row, join

SHAPE = Shape(layers=2, hidden=32, heads=4, kv_heads=2, head_dim=8, mlp=64)
RECIPE = TrainRecipe(shape=SHAPE, max_tokens=64, precision="fp32", gradient_checkpointing=False)
CPU = torch.device("cpu")

torch.set_num_threads(1)  # matrices this small only wait for a second thread
A = ([5, 9, 2, 7, 1], [0, 0, 1, 1, 1])
B = ([3, 3, 8, 4], [0, 1, 0, 1])


def a_model(recipe: TrainRecipe = RECIPE):
    return load_model("scratch", recipe, vocabulary=16, seed=4, attention="sdpa")


def loss_by_hand(model, example) -> float:
    """Cross entropy of each supervised token, from the logits of the whole sequence alone."""
    input_ids, loss_mask = example
    logits = model(input_ids=torch.tensor([input_ids])).logits[0]
    logs = torch.log_softmax(logits, dim=-1)
    return -sum(logs[t - 1, input_ids[t]].item() for t in range(len(input_ids)) if loss_mask[t])


def loss_of(model, *rows: Row) -> Any:
    return summed_loss(model, model.get_output_embeddings(), rows, CPU)


def test_a_packed_row_has_the_loss_of_its_examples_alone():
    model = a_model()
    together = loss_of(model, join([A, B])).item()
    assert together == pytest.approx(loss_by_hand(model, A) + loss_by_hand(model, B), rel=1e-5)


def test_what_stands_before_an_example_in_its_row_changes_nothing_for_it():
    model = a_model()
    other = ([1, 1, 1, 1, 1], A[1])
    after_a = loss_of(model, join([A, B])).item() - loss_by_hand(model, A)
    after_other = loss_of(model, join([other, B])).item() - loss_by_hand(model, other)
    assert after_a == pytest.approx(after_other, rel=1e-4)


def test_rows_that_run_at_once_have_the_loss_of_each_alone():
    model = a_model()
    rows = [join([A, B]), join([B]), join([A])]                # of 9, 4 and 5 tokens: two are filled up
    assert loss_of(model, *rows).item() == pytest.approx(sum(loss_of(model, row).item() for row in rows), rel=1e-5)


def test_an_unsupervised_token_is_no_target():
    model = a_model()
    row = join([([5, 9, 2], [0, 0, 1])])
    assert row.labels_T == [IGNORED, IGNORED, 2]
    assert loss_of(model, row).item() == pytest.approx(loss_by_hand(model, ([5, 9, 2], [0, 0, 1])), rel=1e-5)


def test_two_rows_give_the_gradient_of_one_row_with_both():
    gradients = []
    for rows in ([join([A, B])], [join([A]), join([B])]):
        engine = TorchEngine(a_model(), RECIPE, device=CPU, world=1)
        for number, row in enumerate(rows):
            engine.accumulate([row], scale=1 / 5, last=number == len(rows) - 1)
        gradients.append([p.grad.clone() for p in engine.model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_saved_engine_goes_on_as_the_one_that_went_on(tmp_path, optimizer: str):
    recipe = RECIPE.model_copy(update={"optimizer": optimizer})
    whole, stopped = (TorchEngine(a_model(), recipe, device=CPU, world=1) for _ in range(2))
    for engine in (whole, stopped):
        engine.accumulate([join([A])], 1 / 3, last=True)
        engine.update(1e-2)
    stopped.save(tmp_path)
    resumed = TorchEngine(a_model(), recipe, device=CPU, world=1)
    resumed.load(tmp_path)
    for engine in (whole, resumed):
        engine.accumulate([join([B])], 1 / 2, last=True)
        engine.update(1e-2)
    assert all(torch.equal(a, b) for a, b in zip(whole.weights().values(), resumed.weights().values(), strict=True))


def test_muon_takes_the_matrices_between_embeddings_and_head():
    model = a_model()
    muon, adamw = optimizers(model, RECIPE.model_copy(update={"optimizer": "muon"}))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    of = [{names[id(p)] for group in each.param_groups for p in group["params"]} for each in (muon, adamw)]
    assert all(name.endswith("_proj.weight") for name in of[0])
    assert len(of[0]) == 7 * SHAPE.layers                       # q, k, v, o, gate, up, down
    assert of[0] | of[1] == set(names.values())
    assert not of[0] & of[1]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_lowers_the_loss_of_what_it_trains_on(optimizer: str):
    engine = TorchEngine(a_model(), RECIPE.model_copy(update={"optimizer": optimizer}), device=CPU, world=1)
    losses = []
    for _ in range(30):
        losses.append(engine.accumulate([join([A, B])], 1 / 5, last=True))
        engine.update(1e-2)
    assert losses[-1] < 0.2 * losses[0]


def test_gradient_checkpointing_changes_no_gradient():
    plain = TorchEngine(a_model(), RECIPE, device=CPU, world=1)
    recomputed = a_model(RECIPE.model_copy(update={"gradient_checkpointing": True})).train()
    engine = TorchEngine(recomputed, RECIPE, device=CPU, world=1)
    for each in (plain, engine):
        each.accumulate([join([A, B])], 1 / 5, last=True)
    pairs = zip(plain.model.parameters(), engine.model.parameters(), strict=True)
    assert all(torch.allclose(a.grad, b.grad, atol=1e-6) for a, b in pairs)


def test_adapters_train_and_the_merged_model_is_what_was_trained(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    from rayscaler.runtime.models import write_model

    a_model().save_pretrained(tmp_path / "start")
    recipe = RECIPE.model_copy(update={"model": str(tmp_path / "start"), "lora": Lora(rank=4, alpha=8)})
    model = load_model(recipe.model, recipe, vocabulary=16, seed=4, attention="sdpa")
    engine = TorchEngine(model, recipe, device=CPU, world=1)
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    for _ in range(3):
        engine.accumulate([join([A, B])], 1 / 5, last=True)
        engine.update(1e-2)
    assert all(torch.equal(frozen[n], p) for n, p in model.named_parameters() if n in frozen)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    write_model(engine.model, engine.weights(), tokenizer, tmp_path / "out", start=recipe.model)
    assert (tmp_path / "out" / "adapter" / "adapter_config.json").is_file()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    ids = torch.tensor([A[0]])
    assert torch.allclose(merged(input_ids=ids).logits, engine.model(input_ids=ids).logits, atol=1e-4)

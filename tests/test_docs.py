"""Documentation that cannot go stale: the catalogue, the commands, the links and the Python snippet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rayscaler.cli import app
from rayscaler.display.catalogue import tables_markdown
from rayscaler.recipes import Recipe
from rayscaler.recipes_all import Recipes
from rayscaler.resources import Resources
from rayscaler.serving import Replicas, ServedModel, Serving
from rayscaler.tables import CATALOGUE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(of: typer.Typer = app, prefix: str = "rayscaler") -> Iterator[str]:
    """Every command as it is typed: `rayscaler env play`."""
    for command in of.registered_commands:
        yield f"{prefix} {command.name or command.callback.__name__}"
    for group in of.registered_groups:
        yield from commands(group.typer_instance, f"{prefix} {group.name}")


def test_the_catalogue_of_tables_is_fresh():
    written = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert written.strip() == tables_markdown().strip(), "run: rayscaler docs tables > docs/tables.md"


def test_the_command_prints_the_catalogue():
    assert CliRunner().invoke(app, ["docs", "tables"]).output.strip() == tables_markdown().strip()


def test_every_column_of_every_table_has_a_sentence():
    for table in CATALOGUE.values():
        assert table.doc.endswith(".")
        assert [f.name for f in table.fields if not f.doc.endswith(".")] == []


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_in_the_readme(command):
    assert f"`{command}" in README


def recipes_of_stages() -> list[type]:
    """One per stage, and what stands inside those that are off by default."""
    evaluate = {"models": [{"name": "a", "phase": "b"}], "benchmarks": [{"name": "c", "path": "d"}]}
    asked = {name: {"refine": {"model": "any"}} for name in ("ingest", "link", "materialize", "compose")}
    chosen = Recipes.model_validate({"train": {"model": "here", "lora": {}}, "evaluate": evaluate, **asked})
    assert chosen.train
    assert chosen.evaluate
    refine = [stage.refine for stage in (chosen.ingest, chosen.link, chosen.materialize, chosen.compose)]
    inside = (chosen.train.lora, chosen.train.shape, chosen.train.phases[0], *refine,
              chosen.evaluate.models[0], chosen.evaluate.heldout, chosen.evaluate.benchmarks[0])
    return [type(recipe) for recipe in (*(getattr(chosen, name) for name in Recipes.model_fields), *inside)]


@pytest.mark.parametrize("recipe", [*recipes_of_stages(), Resources, ServedModel, Serving, Replicas])
def test_every_knob_says_what_it_is(recipe):
    undocumented = [
        name
        for name, field in recipe.model_fields.items()
        if not field.description and not isinstance(field.default, (Recipe, tuple))
    ]
    assert undocumented == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text)
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def readme_snippet() -> str:
    """The Python API of the README, as it stands there."""
    return re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_python_snippet_of_the_readme_runs(ray_here, monkeypatch, tmp_path, capsys):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    exec(compile(readme_snippet(), "README.md", "exec"), {})
    assert capsys.readouterr().out

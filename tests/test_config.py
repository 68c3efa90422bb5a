from pathlib import Path

import pytest

from rayscaler.config import load_config
from rayscaler.errors import ConfigError
from rayscaler.recipes_all import Recipes

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_shipped_configuration_loads(path: Path):
    config = load_config(path)
    assert config.name == path.stem
    assert config.recipes.ingest.sources


def test_what_is_not_written_has_its_default(tmp_path: Path):
    config = load_config(write(tmp_path, "name: a\nconnect: {k: 3}\n"))
    assert config.recipes.connect.k == 3
    assert config.recipes.partition == Recipes().partition
    assert config.base == tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nconect: {k: 3}\n", "conect: unknown key; did you mean `connect`?"),
        ("name: a\nconnect: {tua: 0.5}\n", "connect.tua: unknown key; did you mean `tau`?"),
        ("name: a\nrollout: {agent: {eror_rate: 0.5}}\n", "rollout.agent.eror_rate: unknown key; did you mean"),
        ("name: a\nresources: {wokers: 3}\n", "resources.wokers: unknown key; did you mean `workers`?"),
        ("name: a\nconnect: {k: many}\n", "connect.k: Input should be a valid integer"),
        ("name: a\nconnect: {k: 0}\n", "connect.k: Input should be greater than or equal to 1"),
        ("name: a\ningest: {sources: [{}]}\n", "a source has either `path` or `package`"),
        ("seed: 3\n", "name: Field required"),
        ("name: ../a\n", "name: String should match pattern"),
        ("- a\n", "expected a mapping of keys, found list"),
        ("name: [\n", "is not YAML"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(tmp_path: Path, text: str, expected: str):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert expected in str(caught.value)
    assert "run.yaml" in str(caught.value)


def test_a_missing_file_names_its_neighbours(tmp_path: Path):
    write(tmp_path, "name: a\n")
    with pytest.raises(ConfigError, match=r"no such configuration file; .* has run.yaml"):
        load_config(tmp_path / "rum.yaml")

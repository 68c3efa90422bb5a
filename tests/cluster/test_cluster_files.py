"""Everything else in cluster/ and jobs/: Ray's own schema for `ray up`, linting, and what users must change."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayscaler.config import Config, load_config
from rayscaler.recipes_all import Recipes

ROOT = Path(__file__).parents[2]
CLOUDS = ["aws", "gcp"]
SCRIPTS = sorted([*(ROOT / "cluster").glob("*.sh"), *(ROOT / "jobs").glob("*.sh"), *(ROOT / "scripts").glob("*.sh")])
STEPS = sorted((ROOT / "jobs").glob("[0-9]*.sh"))
OF_THE_USER = re.compile(r"REGISTRY|PROJECT|BUCKET|\{Name: rayscaler\}|serviceAccountName|karpenter")
"""What names something that only the user has."""


def linter(name: str) -> str:
    """A linter beside this Python or on the path."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (pip install -e .[dev])")
    return path


def cloud(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster" / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def validate(config: dict[str, Any]) -> None:
    """As `ray up` does before it asks a cloud for anything."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(copy.deepcopy(config)))


@pytest.mark.parametrize("name", CLOUDS)
def test_ray_up_takes_the_file(name: str):
    validate(cloud(name))


@pytest.mark.parametrize("name", CLOUDS)
def test_ray_up_refuses_typos(name: str):
    for key, value, said in [
        ("idle_timeout_minuts", 5, "idle_timeout_minuts"),
        ("max_workers", "many", "many"),
        ("head_node_type", "nobody", "must be one of `available_node_types`"),
    ]:
        with pytest.raises(Exception, match=re.escape(said)):
            validate({**cloud(name), key: value})


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cluster_starts_at_nothing_and_only_workers_are_spot(name: str):
    config = cloud(name)
    types = config["available_node_types"]
    assert sorted(types) == ["cpu", "gpu", "head"]
    assert config["idle_timeout_minutes"] > 0
    assert [types[worker]["min_workers"] for worker in ("cpu", "gpu")] == [0, 0]
    assert types["cpu"]["max_workers"] + types["gpu"]["max_workers"] <= config["max_workers"]
    assert types["head"]["resources"] == {"CPU": 0}
    spot = {kind: bool(re.search("spot|preemptible", str(t["node_config"]))) for kind, t in types.items()}
    assert spot == {"head": False, "cpu": True, "gpu": True}
    assert "RAY_AUTH_MODE=token" in str(config["docker"]["run_options"])
    assert list(config["file_mounts"].values()) == ["~/.ray/auth_token"]
    assert "--dashboard-host=127.0.0.1" in str(config["head_start_ray_commands"])


@pytest.mark.parametrize("path", sorted((ROOT / "cluster").rglob("*.yaml")), ids=lambda path: path.name)
def test_each_field_that_a_user_must_change_is_marked(path: Path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    unmarked = [line.strip() for line in lines if OF_THE_USER.search(line.split("#")[0]) and "# CHANGE" not in line]
    assert unmarked == []
    assert any("# CHANGE" in line for line in lines)


def test_shell_scripts_pass_shellcheck():
    done = subprocess.run(
        [linter("shellcheck"), "--severity=style", "--external-sources", *map(str, SCRIPTS)],
        check=False, capture_output=True, text=True, cwd=ROOT / "jobs",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_passes_hadolint():
    done = subprocess.run(
        [linter("hadolint"), str(ROOT / "cluster" / "Dockerfile")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_copies_what_is_there_and_what_the_context_has():
    text = (ROOT / "cluster" / "Dockerfile").read_text(encoding="utf-8")
    sources = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    context = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sources
    assert [name for name in sources if not (ROOT / name).exists() or f"!{name}" not in context] == []


def test_extras_that_images_and_environments_ask_for_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    conda = yaml.safe_load((ROOT / "cluster" / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    docker = (ROOT / "cluster" / "Dockerfile").read_text(encoding="utf-8")
    asked = re.search(r"\.\.\[([^\]]*)\]", str(pip))[1] + "," + re.search(r"ARG EXTRAS=(.*)", docker)[1]
    assert [name for name in asked.split(",") if name not in extras] == []
    assert (ROOT / "cluster" / pip[0].split()[1]).is_file()
    assert "graph-tool" in str(conda["dependencies"])
    assert "python3-graph-tool" in docker


def test_the_numbered_scripts_are_one_story_to_the_last_stage():
    """Each goes on where the one before it ends."""
    order = list(Recipes.model_fields)
    texts = [path.read_text(encoding="utf-8") for path in STEPS]
    untils = [stage for text in texts for stage in re.findall(r"^run_until [\w-]+ (\w+)$", text, re.MULTILINE)]
    assert [path.name[:2] for path in STEPS] == [f"{n:02d}" for n in range(1, len(STEPS) + 1)]
    assert sorted(untils, key=order.index) == untils
    assert untils[-1] == "score"
    for path, text in zip(STEPS, texts, strict=True):
        assert "# Needs:" in text, path.name
        assert "# Takes:" in text, path.name
        assert path.stat().st_mode & 0o100, f"{path.name} is not executable"


def stages_of(config: Config) -> list[str]:
    """The stages that a configuration has."""
    return [name for name in Recipes.model_fields if getattr(config.recipes, name) is not None]


def submitted(script: Path, folder: Path, **environment: str) -> list[str]:
    """What a numbered script hands to `ray job submit`: a `ray` that prints its arguments stands for it."""
    ray = folder / "ray"
    ray.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    ray.chmod(0o755)
    known = {"PATH": f"{folder}:{os.environ['PATH']}", "RUN": "s3://bucket/runs/x", **environment}
    return subprocess.run([script], check=True, capture_output=True, text=True, env=known).stdout.splitlines()


@pytest.mark.parametrize("script", STEPS, ids=lambda path: path.name)
def test_a_numbered_script_submits_a_command_whose_stages_its_configuration_has(script: Path, tmp_path: Path):
    words = submitted(script, tmp_path, RESOURCES="grow_to_cpus=112 grow_to_gpus=8")
    asked, command = words[: words.index("--")], words[words.index("--") + 1 :]
    assert asked[:4] == ["job", "submit", "--working-dir", "."]
    assert ("--entrypoint-num-gpus" in asked) == (script.name == "08_evaluate.sh")
    named = [word for word in command if word.startswith("configs/")]
    assert len(named) == 1
    config = load_config(ROOT / named[0])
    if "jobs/run.py" in command:
        assert command[command.index("--run") + 1] == "s3://bucket/runs/x"
        assert command[command.index("--resources") + 1 :] == ["grow_to_cpus=112", "grow_to_gpus=8"]
        assert command[command.index("--until") + 1] in stages_of(config)
    if "serve" in command:
        assert config.serve
    assert named[0] == "configs/" + ("paper.yaml" if script.name[:2] in ("04", "07", "08") else "cloud30k.yaml")


def test_a_run_with_models_takes_one_configuration_for_every_step(tmp_path: Path):
    stages = stages_of(load_config(ROOT / "configs" / "paper.yaml"))
    for script in STEPS:
        command = submitted(script, tmp_path, CONFIG="configs/paper.yaml")
        assert "configs/paper.yaml" in command
        assert "--until" not in command or command[command.index("--until") + 1] in stages

"""The word lists and the grammar of tasks, read once from the YAML files beside this module."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml


@lru_cache(maxsize=2)
def load(name: str) -> dict[str, Any]:
    """`lexicon` (words and values) or `grammar` (sentences), as plain data. Callers do not change it."""
    text = files("rayscaler.tasks").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert isinstance(data, dict)
    return data

"""Configuration: one YAML file per run with only what differs from the defaults.

    name: starter
    seed: 7
    ingest:
      sources:
        - {package: google-api-python-client, apis: [calendar, tasks]}
    resources: {workers: 2}

Unknown keys are errors that suggest the nearest key.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rayscaler.errors import ConfigError
from rayscaler.recipes import Recipes
from rayscaler.resources import Resources


class Config(BaseModel):
    """One run, resolved: every knob has its value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int = 0
    recipes: Recipes
    resources: Resources = Resources()
    base: Path = Field(description="Folder of the file: relative paths of sources start there.")


def load_config(path: str | Path) -> Config:
    """Read a configuration file.

    Raises ConfigError naming the file and the key: not there, no YAML, an unknown key, a value out of range.
    """
    file = Path(path)
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such configuration file{_neighbours(file)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: expected a mapping of keys, found {type(values).__name__}")
    return parse_config(values, base=file.resolve().parent, where=str(file))


def parse_config(values: dict[str, Any], *, base: Path, where: str = "configuration") -> Config:
    """A configuration from its keys. `name`, `seed` and `resources` are the run's; every other key is a stage."""
    head = {key: values[key] for key in ("name", "seed", "resources") if key in values}
    stages = {key: value or {} for key, value in values.items() if key not in head}
    try:
        return Config.model_validate({**head, "recipes": stages, "base": base})
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(item) for item in error.errors())) from None


def _explain(error: Any) -> str:
    path, models = _resolve([str(p) for p in error["loc"] if p != "recipes"])
    where = ".".join(path)
    if error["type"] == "missing":
        about = next((m.model_fields[path[-1]].description for m in models if path[-1] in m.model_fields), None)
        return f"{where}: {error['msg']}{f'. {about}' if about else ''}"
    if error["type"] == "secret":
        return f"{where}: {error['msg']}"
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}, found {str(error['input'])[:80]!r}"
    known = list(dict.fromkeys(key for model in models for key in model.model_fields))
    known = known if len(path) > 1 else ["name", "seed", "resources", *known]
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
    return f"{where}: unknown key; {hint}"


def _resolve(location: list[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys of a place in a configuration file as they are written there, and the models that its last key is of.

    Where a key has one of several models (`agent`), `location` names which one after it; that is not written.
    """
    models: list[type[BaseModel]] = [Resources if location[0] == "resources" else Recipes]
    keys = []
    for part in location[:-1]:
        tagged = [model for model in models if len(models) > 1 and model.model_fields["kind"].default == part]
        if tagged:
            models = tagged
            continue
        keys.append(part)
        if part != "resources":
            models = [found for model in models for found in _models_of(model, part)] or models
    return [*keys, location[-1]], models


def _models_of(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """The models that the value of a key may be, itself or its items."""
    field = model.model_fields.get(key)
    inner = [field.annotation, *get_args(field.annotation)] if field else []
    plain = [get_args(one)[0] if get_origin(one) is Annotated else one for one in inner]
    return [one for one in plain if isinstance(one, type) and issubclass(one, BaseModel)]


def _neighbours(file: Path) -> str:
    names = sorted(p.name for p in file.parent.glob("*.yaml")) if file.parent.is_dir() else []
    return f"; {file.parent} has {', '.join(names)}" if names else ""

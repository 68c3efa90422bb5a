"""Configuration: one YAML file per run with only what differs from the defaults.

    name: starter
    seed: 7
    ingest:
      sources:
        - {package: google-api-python-client, apis: [calendar, tasks]}
    serve:                                # models that the run serves itself; an endpoint without `base_url` is one
      qwen3-8b: {source: Qwen/Qwen3-8B}
    resources: {workers: 2}

Unknown keys are errors that suggest the nearest key.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rayscaler.endpoints import with_endpoints
from rayscaler.errors import ConfigError
from rayscaler.recipes import Endpoint
from rayscaler.recipes_all import Recipes
from rayscaler.resources import Resources
from rayscaler.serving import NAME, ServedModel

HEAD = ("name", "seed", "resources", "serve")
"""Keys of a configuration file that are no stage."""


class Config(BaseModel):
    """One run, resolved: every knob has its value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int = 0
    recipes: Recipes
    resources: Resources = Resources()
    serve: dict[Annotated[str, Field(pattern=NAME)], ServedModel] = {}
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
    """A configuration from its keys. `name`, `seed`, `serve` and `resources` are the run's; every other is a stage."""
    head = {key: values[key] or {} for key in HEAD if key in values}
    stages = {key: value or {} for key, value in values.items() if key not in head}
    try:
        config = Config.model_validate({**head, "recipes": stages, "base": base})
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(item) for item in error.errors())) from None
    return _with_served(config, where)


def _with_served(config: Config, where: str) -> Config:
    """Each endpoint without an address gets its model of `serve`. ConfigError where there is none of that name."""
    evaluate = config.recipes.evaluate
    checkpoints = {m.name for m in evaluate.models if m.agent is None} if evaluate else set[str]()
    unknown = [name for name in config.resources.serving.models if name not in {*config.serve, *checkpoints}]
    if unknown:
        raise ConfigError(f"{where}: resources.serving.models: `serve` has no {unknown[0]!r}, and no checkpoint of "
                          f"`evaluate.models` is called so; {_named(config)}")
    served = {name: model.with_content() for name, model in config.serve.items()}

    def fill(place: str, endpoint: Endpoint) -> Endpoint:
        if endpoint.base_url:
            return endpoint
        name, _, adapter = endpoint.model.partition(":")
        if name not in served or (adapter and adapter not in served[name].adapters):
            raise ConfigError(f"{where}: {place}.base_url: Where the server is, with its version; or {place}.model: a "
                              f"model of `serve`, with `:` and one of its adapters or without; {_named(config)}")
        return endpoint.model_copy(update={"served": served[name]})

    return config.model_copy(update={"serve": served, "recipes": with_endpoints(config.recipes, fill)})


def _named(config: Config) -> str:
    names = [n for name, model in config.serve.items() for n in (name, *(f"{name}:{part}" for part in model.adapters))]
    return f"it has {', '.join(names)}" if names else "it is empty"


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
    known = known if len(path) > 1 else [*HEAD, *known]
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
    return f"{where}: unknown key; {hint}"


def _resolve(location: list[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys of a place in a configuration file as they are written there, and the models that its last key is of.

    Where a key has one of several models (`agent`), `location` names which one after it; that is not written.
    """
    if location[0] == "serve":
        return location, [ServedModel]
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

"""Hosting: a worker's environments, compiled once each and kept while they are used."""

from __future__ import annotations

from collections import OrderedDict

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.store import Ref, Store

KEPT = 64
"""Environments kept alive per worker, the ones used last."""


class Hosts:
    """`hosts[environment_id]` is a live environment, rebuilt from its row whenever it is not here."""

    def __init__(self, store: Store, environments: Ref) -> None:
        self._rows = Lookup(store, environments, columns=("environment_id", "spec"))
        self._live: OrderedDict[str, HostedEnvironment] = OrderedDict()

    def __getitem__(self, environment_id: str) -> HostedEnvironment:
        """The environment with this id. TableNotFound if the table has no such row."""
        environment = self._live.pop(environment_id, None)
        if environment is None:
            spec = EnvironmentSpec.model_validate_json(self._rows[environment_id]["spec"])
            environment = HostedEnvironment(spec)
        self._live[environment_id] = environment
        if len(self._live) > KEPT:
            self._live.popitem(last=False)
        return environment

    def get(self, environment_id: str) -> HostedEnvironment | None:
        """The environment if it is here, at once and without counting as a use."""
        return self._live.get(environment_id)

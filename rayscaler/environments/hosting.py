"""A hosted environment: compiled once, then thousands of sessions in one process.

What sessions share lives here: compiled tools, validators, SQL texts, and the images of the most recent seeds. What
is a session's own is its database.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.environments.arguments import Arguments
from rayscaler.environments.language import check_tool, check_uses, compile_tool
from rayscaler.environments.plans import TablePlan, make_plans
from rayscaler.environments.seeding import seed_rows
from rayscaler.environments.session import SqliteSession
from rayscaler.environments.sql import schema_sql
from rayscaler.environments.template import Start, make_start
from rayscaler.errors import EnvironmentSpecError

STARTS = 64
"""How many seeds keep their image. The least recently used goes first; sessions keep their own alive."""


class HostedTool(NamedTuple):
    """One tool, ready to run."""

    spec: CompiledTool
    function: Callable[..., Any]
    arguments: Arguments
    writes: bool


def host_tool(tool: CompiledTool, spec: EnvironmentSpec) -> HostedTool:
    """Check and compile one tool of `spec`.

    Raises ToolCodeError if its source is outside the language or names no table or column of the environment, and
    EnvironmentSpecError if its parameters are no usable JSON Schema or its function has another name.
    """
    checked = check_tool(tool.code)
    if checked.name != tool.name:
        raise EnvironmentSpecError(f"{tool.name}: its function is called {checked.name!r}")
    check_uses(checked, spec.entities)
    return HostedTool(tool, compile_tool(checked), Arguments(tool, checked), bool(checked.writes))


class HostedEnvironment:
    """Starts sessions of one environment. `rows` is how many rows each table gets in a seeded state: `spec.rows`."""

    def __init__(self, spec: EnvironmentSpec, rows: int | None = None) -> None:
        self.spec = spec
        self.n_rows = spec.rows if rows is None else rows
        self.schema = schema_sql(spec.entities)
        self.plans: dict[str, TablePlan] = make_plans(spec.entities)
        self.tools: dict[str, HostedTool] = {}
        for tool in spec.tools:
            if tool.name in self.tools:
                raise EnvironmentSpecError(f"{spec.environment_id}: two tools are called {tool.name!r}")
            self.tools[tool.name] = host_tool(tool, spec)
        self._starts: OrderedDict[int, Start] = OrderedDict()

    def __reduce__(self) -> tuple[type[HostedEnvironment], tuple[EnvironmentSpec, int]]:
        return HostedEnvironment, (self.spec, self.n_rows)

    def start(self, seed: int) -> SqliteSession:
        """A fresh session on the state that `seed` makes."""
        return SqliteSession(self, self.start_of(seed))

    def start_of(self, seed: int) -> Start:
        """The seeded start, made on first use."""
        start = self._starts.get(seed)
        if start is None:
            rows = seed_rows(self.spec.entities, seed=seed, rows=self.n_rows, now=self.spec.now)
            start = self._starts[seed] = make_start(self.schema, self.plans, rows, self.spec.now, seed)
            if len(self._starts) > STARTS:
                self._starts.popitem(last=False)
        self._starts.move_to_end(seed)
        return start

    def plan(self, table: str) -> TablePlan:
        """What is known of one table; KeyError that names the tables if there is none."""
        if table not in self.plans:
            raise KeyError(f"{self.spec.environment_id}: no table {table!r}; there are {', '.join(self.plans)}")
        return self.plans[table]

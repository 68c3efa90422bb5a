"""What a worker of each stage does with a model, without Ray: rows of every table in their schema, the rules where it
fails. The real specification of Google Tasks (14 operations) is the domain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rayscaler.recipes import (
    IngestRecipe,
    LinkRecipe,
    MaterializeRecipe,
    Refine,
    RefineEnvironments,
    RefineLinks,
    Source,
)
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.openai_chat import CallLimits
from rayscaler.runtime.refiner import Terms
from rayscaler.runtime.shards import Output, reject_rows
from rayscaler.runtime.store import COUNTS, Ref, Store
from rayscaler.specs import mark_of
from rayscaler.specs.files import load_bytes
from rayscaler.stages import ingest, link, materialize
from rayscaler.table import Table, to_arrow
from rayscaler.tables import ENVIRONMENTS, LINKS, REFINEMENTS, REJECTS, TOOLS
from scripted_model import scripted_model

LIMITS = CallLimits(in_flight=4, timeout_s=20, retries=4, longest_wait_s=0.02)
RECIPE = IngestRecipe(sources=(Source(package="google-api-python-client", apis=("tasks",)),))
PART = "part-00000-0.parquet"


def tools_of_google_tasks() -> list[dict[str, Any]]:
    found = ingest.files_of(RECIPE, Path())
    payload = [[n, *file, mark_of(file, load_bytes(file))] for n, file in found]
    return list(ingest.ReadSpecs(RECIPE)(payload).rows[TOOLS.name])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run that has ingested the domain's tools."""
    made = Store(str(tmp_path))
    arrow = to_arrow(TOOLS, tools_of_google_tasks()).replace_schema_metadata({COUNTS: '{"rows_in": 1}'})
    made.write_part(Ref(TOOLS, "t"), PART, arrow)
    return made


def domain(store: Store) -> list[dict[str, Any]]:
    ids = sorted(store.read(Ref(TOOLS, "t"), ["tool_id"])["tool_id"].to_pylist())
    return [{"domain_id": "d", "title": "tasks", "description": "", "tool_ids": ids, "n_tools": len(ids)}]


def arrows(output: Output, *tables: Table) -> dict[str, pa.Table]:
    rows = {**output.rows, REJECTS.name: reject_rows("any", output.rejects)}
    return {table.name: to_arrow(table, list(rows[table.name])) for table in tables}


def terms(store: Store) -> Terms:
    return Terms(LIMITS, 8, store)


@pytest.mark.parametrize("persona", ["good", "hostile"])
def test_link_judges_or_gives_the_rules_links(persona, store):
    tools, payload = Ref(TOOLS, "t"), domain(store)
    plain = arrows(link.LinkDomains(LinkRecipe(), store, tools)(payload), LINKS)[LINKS.name]
    with scripted_model(persona) as server:
        recipe = LinkRecipe(refine=server.endpoint(RefineLinks, attempts=1))
        work = link.LinkWithModel(recipe, store, tools, terms(store))
        made = arrows(work(payload), LINKS, REFINEMENTS)
        work.refiner.close()
        assert sum(made[REFINEMENTS.name]["requests"].to_pylist()) == server.seen["requests"] > 0
    assert made[LINKS.name].equals(plain) == (persona == "hostile")


def test_materialize_redrafts_or_gives_the_compiler_s_environment(store):
    tools, payload = Ref(TOOLS, "t"), domain(store)
    plain = materialize.Materialize(MaterializeRecipe(certificate_samples=1), 7, store, tools)(payload)
    with scripted_model("hostile") as server:
        recipe = MaterializeRecipe(
            certificate_samples=1, refine=server.endpoint(RefineEnvironments, attempts=4))
        work = materialize.MaterializeWithModel(recipe, 7, store, tools, terms(store))
        output = work(payload)
        work.refiner.close()
        made = arrows(output, ENVIRONMENTS, REFINEMENTS, REJECTS)
        assert sum(made[REFINEMENTS.name]["requests"].to_pylist()) == server.seen["requests"] > len(payload)
    assert made[ENVIRONMENTS.name].num_rows == 1
    assert set(made[REFINEMENTS.name]["status"].to_pylist()) == {"refused"}
    assert {**arrows(plain, ENVIRONMENTS, REJECTS), REFINEMENTS.name: made[REFINEMENTS.name]} == made
    assert output.rows_in == plain.rows_in


@pytest.mark.parametrize("persona", ["good", "hostile"])
def test_ingest_writes_accepted_descriptions_into_its_tools_once_and_keeps_its_counts(persona, store):
    tools = Ref(TOOLS, "t")
    before = store.read(tools)
    with scripted_model(persona) as server:
        endpoint = server.endpoint(Refine, attempts=1)
        work = ingest.DescribeTools(endpoint, terms(store))
        made = arrows(work(before.to_pylist()), REFINEMENTS)[REFINEMENTS.name]
        work.refiner.close()
    store.write_part(Ref(REFINEMENTS, "t"), PART, made)
    ctx = Context("ingest", RECIPE, 0, store, {}, {"tools": tools, "refinements": Ref(REFINEMENTS, "t")}, Resources(),
                  Path(), lambda *_: None)
    for _ in range(2):
        ingest.redescribe(ctx)
        after = store.read(tools)
        assert after["tool_id"].equals(before["tool_id"])
        assert after.equals(before) == (persona == "hostile")
        assert store.part_counts(tools, PART) == {"rows_in": 1}
    wanted = dict(zip(made["subject"].to_pylist(), made["after"].to_pylist(), strict=True))
    assert dict(zip(after["tool_id"].to_pylist(), after["description"].to_pylist(), strict=True)) == wanted

"""The compiler as a whole: nothing lost, nothing random, schemas that agents and validators can use."""

import random

from rayscaler.canonical import dumps
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.folder import folder_of
from rayscaler.reasons import Reason
from rayscaler.recipes import MaterializeRecipe
from tracker import DOMAIN, TEXT, TRACKER, tool

RECIPE = MaterializeRecipe()


def test_tools_in_are_tools_out_and_rejects():
    found = compile_environment(DOMAIN, TRACKER, RECIPE)
    assert len(found.spec.tools) + len(found.rejects) == len(TRACKER)
    assert [(r.key, r.reason) for r in found.rejects] == [("acme/tracker/1/calculate", Reason.NO_ENTITY)]


def test_the_order_of_the_tools_does_not_matter():
    shuffled = TRACKER.copy()
    random.Random(3).shuffle(shuffled)
    one, other = (compile_environment(DOMAIN, tools, RECIPE).spec for tools in (TRACKER, shuffled))
    assert dumps(one) == dumps(other)


def test_names_that_clash_get_their_api_in_front():
    one = tool("list_items", "GET", "/items", [], {}, None)
    two = one.model_copy(update={"tool_id": "acme/store/1/list_items", "api": "store"})
    names = [t.name for t in compile_environment(DOMAIN, [one, two], RECIPE).spec.tools]
    assert names == ["store_list_items", "tracker_list_items"]


def test_a_domain_of_nothing_is_an_environment_of_nothing():
    found = compile_environment(DOMAIN, [], RECIPE)
    assert (found.spec.tools, found.spec.entities, found.rejects) == ((), (), [])


def test_odd_schemas_are_survived():
    choice = {"oneOf": [{"type": "null"}, TEXT]}
    parts = {"allOf": [{"properties": {"id": TEXT}}, {"properties": {"b": {"type": ["string", "null"]}}}]}
    anything = {"anyOf": [{"type": "array", "items": {}}]}
    odd = [
        tool("create_thing", "POST", "/things", ["a"], {"a": choice, "b": True, "$x": TEXT}, parts),
        tool("get_thing", "GET", "/things/{id}", ["id"], {}, {"type": "array", "items": TEXT}),
        tool("list_things", "GET", "/things", [], {"filter": {"type": "object"}}, anything),
        tool("update_thing", "PUT", "/things/{id}", ["id"], {"1bad": TEXT, "class": {"enum": []}}, {"type": "string"}),
    ]
    found = compile_environment(DOMAIN, odd, RECIPE)
    assert len(found.spec.tools) == 4
    assert certify(found.spec, MaterializeRecipe(min_tools=1), seed=1).spec is not None


def test_a_batch_of_rows_is_rejected_by_name():
    many = tool("batch_update_tickets", "POST", "/tickets/batch", ["tickets"], {"tickets": {"type": "array"}}, None)
    rejects = {r.key: r.detail for r in compile_environment(DOMAIN, [*TRACKER, many], RECIPE).rejects}
    assert "batch" in rejects["acme/tracker/1/batch_update_tickets"]


def test_an_environment_is_a_folder_that_a_person_can_read():
    spec = compile_environment(DOMAIN, TRACKER, RECIPE).spec
    certified = certify(spec, RECIPE, seed=1)
    assert certified.spec is not None
    folder = folder_of(certified.spec, certified.certificate)
    assert sorted(folder) == ["certificate.json", "policy.md", "schema.sql", "tools.json", "tools.py"]
    assert 'CREATE TABLE "tickets"' in folder["schema.sql"]
    assert "def close_ticket(db, ticketId: str) -> dict:" in folder["tools.py"]
    compile(folder["tools.py"], "tools.py", "exec")

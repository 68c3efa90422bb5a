"""An answer has the shape of its schema, filled from the database; what writes do shows over several calls."""

import pytest

from rayscaler.environments.certificate import certify
from rayscaler.environments.certificate_chains import check_chains
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.recipes import MaterializeRecipe
from tracker import DOMAIN, TEXT, TRACKER, listed, tool

BOX = {
    "type": "object", "required": ["id", "type", "size", "tags"],
    "properties": {"id": TEXT, "type": {"type": "string", "enum": ["box"]},
                   "size": {"type": "integer", "enum": [1, 5, 20]},
                   "colour": {"type": "string", "enum": ["red", "green"]}, "tags": {"type": "array", "items": TEXT}},
}  # fmt: skip
PAGE = {"type": "object", "required": ["boxes", "page", "kind"],
        "properties": {**listed("boxes", BOX)["properties"], "page": {"type": "integer", "minimum": 1},
                       "kind": {"type": "string", "enum": ["boxList"]}}}  # fmt: skip
BOXES = [
    tool("create_box", "POST", "/boxes", ["size", "colour"], {"size": {"type": "integer"}, "colour": TEXT}, BOX),
    tool("get_box", "GET", "/boxes/{boxId}", ["boxId"], {}, BOX),
    tool("list_boxes", "GET", "/boxes", [], {}, PAGE),
    tool("get_box_label", "GET", "/boxes/{boxId}/label", ["boxId"], {}, {"type": "string"}),
    tool("delete_box", "DELETE", "/boxes/{boxId}", ["boxId"], {}, {"type": "boolean"}),
]
SPEC = compile_environment(DOMAIN, BOXES, MaterializeRecipe()).spec


def test_every_answer_conforms_to_its_schema():
    certified = certify(SPEC, MaterializeRecipe(), seed=1)
    assert certified.rejects == []
    assert certified.certificate["shape"]["conforming"] == certified.certificate["shape"]["answers"] == 15


def test_numbers_and_texts_that_answers_enumerate_are_the_columns_and_the_arguments_values():
    column = {c.name: c for c in SPEC.entity("boxes").columns}
    assert column["size"].enum == ("1", "5", "20")
    assert column["colour"].enum == ("red", "green")
    asked = SPEC.tool("create_box").parameters["properties"]
    assert (asked["size"]["enum"], asked["colour"]["enum"]) == ([1, 5, 20], ["red", "green"])
    session = HostedEnvironment(SPEC).start(3)
    assert {row["size"] for row in session.rows("boxes")} == {1, 5, 20}
    assert session.call("create_box", {"size": 5, "colour": "blue"}).error is not None


def test_an_answer_that_is_one_value_is_a_cell():
    session = HostedEnvironment(SPEC).start(3)
    key = session.rows("boxes")[2]["id"]
    assert session.call("get_box_label", {"boxId": key}).value == key
    assert session.call("delete_box", {"boxId": key}).value is True


def test_a_relation_comes_and_goes_and_a_status_moves_once():
    spec = compile_environment(DOMAIN, TRACKER, MaterializeRecipe()).spec
    environment = HostedEnvironment(spec)
    session = environment.start(1)
    start = session.digest()
    tried = {(p.writer.name, p.reader.name): p.held for p in check_chains(environment, session, seed=1)}
    assert tried["add_watcher_to_ticket", "remove_watcher_from_ticket"] is True
    assert tried["close_ticket", "close_ticket"] is True
    assert session.digest() == start


@pytest.mark.parametrize(
    ("name", "old", "new", "kind"),
    [
        ("remove_watcher_from_ticket", "    db.delete(", "    db.find(", "relate > unrelate"),
        ("close_ticket", 'status="CLOSED"', 'status="OPEN"', "transition > transition"),
    ],
)
def test_a_chain_notices_a_tool_that_does_not_do_it(name, old, new, kind):
    spec = compile_environment(DOMAIN, TRACKER, MaterializeRecipe()).spec
    code = spec.tool(name).code
    assert old in code
    code = code.replace(old, new) if "close" in name else "".join(
        line for line in code.splitlines(keepends=True) if "db.delete" not in line)  # fmt: skip
    broken = tuple(t.model_copy(update={"code": code}) if t.name == name else t for t in spec.tools)
    environment = HostedEnvironment(spec.model_copy(update={"tools": broken}))
    pairs = check_chains(environment, environment.start(1), seed=1)
    found = [p.held for p in pairs if p.kind == kind]
    assert len(found) == 1
    assert found[0] is not True


def test_the_score_is_told_by_kind():
    spec = compile_environment(DOMAIN, TRACKER, MaterializeRecipe()).spec
    coherence = certify(spec, MaterializeRecipe(), seed=1).certificate["coherence"]
    assert sum(every for _, every in coherence["kinds"].values()) == coherence["total"]
    assert coherence["kinds"]["create > get"] == [2, 2]

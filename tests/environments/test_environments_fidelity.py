"""Environments compiled from tool lists alone, as benchmarks publish them, beside the benchmark's own runs."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from rayscaler.environment import EnvironmentSpec, Operator
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.importing import import_tables
from rayscaler.recipes import MaterializeRecipe
from rayscaler.specs.answers import with_answers
from rayscaler.toolspec import ToolSpec
from tracker import TEXT, tool

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks import fidelity

RECIPE = MaterializeRecipe(min_tools=1)


def function(name: str, required: list[str], description: str = "", **optional: object) -> ToolSpec:
    return tool(name, "", "", required, optional, None, description)


def compiled(tools: list[ToolSpec]) -> EnvironmentSpec:
    return compile_environment({"domain_id": "d", "title": "Library"}, with_answers(tools), RECIPE).spec


LIBRARY = [
    function("get_loan_details", ["loan_id"], "Get the details of a loan."),
    function("get_reader_details", ["reader_id"], "Get the details of a reader, including their loans."),
    function("find_reader_id_by_email", ["email"], "Find reader id by email."),
    function("extend_active_loan", ["loan_id", "due_date"], "Extend an active loan."),
    function("list_branches", [], "List the branches."),
]


def test_an_answer_that_intake_made_up_makes_no_table():
    spec = compiled(LIBRARY)
    assert {e.name for e in spec.entities} == {"loans", "readers", "branches"}
    assert spec.entity("loans").key == "loan_id"
    assert spec.entity("loans").column("reader_id").references == "readers"
    assert all(t.response is None for t in spec.tools)


def test_a_read_without_arguments_named_in_the_plural_lists():
    spec = compiled([*LIBRARY, function("get_branches", ["city"]), function("get_catalogue", [])])
    assert spec.tool("list_branches").operator is Operator.LIST
    assert spec.tool("get_branches").operator is Operator.LIST
    assert spec.tool("get_catalogue").operator is Operator.GET


LOANS = {
    "#L1": {
        "reader_id": "r1", "status": "lost", "due_date": "2026-02-01", "fine": {"amount": 2.5},
        "books": [{"isbn": "111", "title": "Emma"}],
    },
    "#L2": {"reader_id": "r1", "status": "active", "books": []},
}
READERS = {"r1": {"email": "ann@example.com", "home": {"city": "Rome", "zip": "00100"}, "vip": True}}
SHELF = [
    function("move_reader", ["reader_id", "city", "zip"], "Change the home of a reader."),
    function("replace_loan_books", ["loan_id", "isbns"], "Replace the books of a loan.", isbns={"type": "array"}),
]


def test_rows_made_elsewhere_keep_every_key():
    world = import_tables(compiled([*LIBRARY, *SHELF]), {"loans": LOANS, "readers": READERS})
    how = {(n.table, n.key): (n.how, n.column) for n in world.notes}
    assert how["readers", "home.city"] == ("inside", "city")
    assert how["loans", "books[].isbn"] == ("gathered", "isbns")
    assert how["loans", "fine"] == ("new column", "fine")
    assert world.rows["readers"] == [
        {"reader_id": "r1", "email": "ann@example.com", "city": "Rome", "zip": "00100", "vip": True}
    ]
    assert world.rows["loans"][0]["books"] == LOANS["#L1"]["books"]
    assert "lost" in world.spec.entity("loans").column("status").enum


def test_two_keys_of_one_column_are_both_kept():
    rows = {"r1": {"email": "ann@example.com", "Email": "old@example.com", "city": "Ulm", "home": {"city": "Rome"}}}
    world = import_tables(compiled([*LIBRARY, *SHELF]), {"readers": rows})
    assert world.rows["readers"] == [
        {"reader_id": "r1", "email": "ann@example.com", "Email_": "old@example.com", "city": "Ulm",
         "home": {"city": "Rome"}}
    ]


def test_keys_and_numbers_that_are_no_names_and_no_integers_of_a_database_are_kept():
    shelves = [{"#": 1}, {"#": 2}]
    world = import_tables(compiled(LIBRARY), {"readers": {"r1": {"$": "x", "shelves": shelves, "points": 2**70}}})
    with closing(HostedEnvironment(world.spec).start(0)) as session:
        session.load_rows("readers", world.rows["readers"])
        row = session.rows("readers")[0]
    assert (row["unnamed"], row["shelves"], row["points"]) == ("x", shelves, 2**70)


def test_an_enumeration_of_numbers_grows():
    size = {"type": "object", "properties": {"box_id": TEXT, "size": {"type": "integer", "enum": [1, 5]}}}
    tools = [tool("get_box", "GET", "/boxes/{box_id}", ["box_id"], {}, size)]
    spec = compile_environment({"domain_id": "d", "title": "Boxes"}, tools, RECIPE).spec
    assert import_tables(spec, {"boxes": [{"box_id": "b", "size": 7}]}).spec.entity("boxes").column("size").enum == (
        "1", "5", "7",
    )  # fmt: skip


def test_imported_rows_are_what_the_tools_see():
    world = import_tables(compiled([*LIBRARY, *SHELF]), {"loans": LOANS, "readers": READERS})
    with closing(HostedEnvironment(world.spec).start(0)) as session:
        for table, rows in world.rows.items():
            session.load_rows(table, rows)
        assert session.rows("branches") == []
        assert session.call("find_reader_id_by_email", {"email": "ann@example.com"}).value["readers"][0]["vip"] is True
        assert session.call("extend_active_loan", {"loan_id": "#L1", "due_date": "2026-03-01"}).error is not None
        assert session.call("extend_active_loan", {"loan_id": "#L2", "due_date": "2026-03-01"}).ok
        assert [(c.table, c.key) for c in session.changes()] == [("loans", {"loan_id": "#L2"})]


def test_a_reference_that_imported_rows_break_gives_way():
    world = import_tables(compiled(LIBRARY), {"loans": {"#L1": {"reader_id": "nobody"}}, "readers": {}})
    assert world.spec.entity("loans").column("reader_id").references is None
    assert any(n.how == "gave way" and n.key == "references readers" for n in world.notes)


def test_a_table_that_the_environment_lacks_is_an_error():
    with pytest.raises(KeyError, match="there are"):
        import_tables(compiled(LIBRARY), {"penguins": {}})


@pytest.mark.parametrize(("domain", "tables"), [
    ("retail", {"users", "orders", "products"}), ("airline", {"users", "reservations", "flights"}),
])
def test_gold_of_a_hand_made_environment_changes_the_same_records(shared_data: Path, domain: str, tables: set[str]):
    folder = shared_data / "bench" / "tau-bench" / domain
    world = fidelity.read_world(folder)
    assert tables <= {e.name for e in world.spec.entities}
    tallies = fidelity.compare(world, fidelity.read_runs(folder, "test")[:25], fidelity.read_tables(folder))
    calls, same = (sum(t.counts[k] for t in tallies.values()) for k in ("calls", "same record"))
    assert calls >= 20
    assert same / calls >= 0.9

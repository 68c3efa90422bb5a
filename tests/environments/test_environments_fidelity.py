"""Environments compiled from tool lists alone, as benchmarks publish them, beside the benchmark's own runs."""

from rayscaler.environment import EnvironmentSpec, Operator
from rayscaler.environments.compiler import compile_environment
from rayscaler.recipes import MaterializeRecipe
from rayscaler.specs.answers import with_answers
from rayscaler.toolspec import ToolSpec
from tracker import tool

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

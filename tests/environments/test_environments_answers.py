"""Tools that no table of their domain explains: looked up in what is recorded, or kept as what was asked."""

from rayscaler.environment import Operator, Part
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.recipes import MaterializeRecipe
from tracker import DOMAIN, TEXT, TRACKER, tool

NUMBER = {"type": "number"}
TAX = tool("calculate_tax", "", "", ["income", "filing_status"],
           {"income": NUMBER, "filing_status": TEXT, "dependents": {"type": "integer"}},
           {"type": "object", "properties": {"tax": NUMBER}, "required": ["tax"]})
CORRELATION = tool("calculate_correlation", "", "", ["xs"], {"xs": {"type": "array", "items": NUMBER}},
                   {"type": "object", "properties": {"correlation": NUMBER}})
PAUSE = tool("pause_heartbeats", "", "", ["minutes"], {"minutes": {"type": "integer"}}, None)


def _compiled(*tools):
    return compile_environment(DOMAIN, [*TRACKER, *tools], MaterializeRecipe())


def test_a_computation_is_looked_up_by_its_arguments():
    spec = _compiled(TAX).spec
    found = spec.tool("calculate_tax")
    assert (found.operator, found.entity) == (Operator.LOOKUP, "tax_calculations")
    assert {b.parameter: b.part for b in found.bindings} == dict.fromkeys(
        ("income", "filing_status", "dependents"), Part.FILTER)
    session = HostedEnvironment(spec).start(5)
    row = session.rows("tax_calculations")[3]
    asked = {"income": row["income"], "filing_status": row["filing_status"]}
    assert session.call("calculate_tax", asked).value["tax"] == row["tax"]
    refused = session.call("calculate_tax", {**asked, "income": -1.5}).error
    assert refused is not None
    assert "income" in refused.message


def test_a_computation_on_lists_stays_out_by_name():
    rejects = {r.key: r.detail for r in _compiled(CORRELATION).rejects}
    assert rejects["acme/tracker/1/calculate_correlation"]


def test_a_write_that_no_table_is_about_is_kept_as_what_was_asked():
    spec = _compiled(PAUSE).spec
    session = HostedEnvironment(spec).start(5)
    changes = session.call("pause_heartbeats", {"minutes": 20}).changes
    assert [(c.table, c.op, c.after["minutes"]) for c in changes] == [("heartbeats", "insert", 20)]


def test_tables_of_their_own_pass_the_certificate():
    certified = certify(_compiled(TAX, PAUSE).spec, MaterializeRecipe(), seed=2)
    assert {"calculate_tax", "pause_heartbeats"} <= {t.name for t in certified.spec.tools}

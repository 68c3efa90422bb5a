"""The compiler's benchmark counts every tool once; the operators' one judges by method, verb or what is known."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "jobs"))
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import compiler, operators

from rayscaler.environment import Operator
from rayscaler.recipes import MaterializeRecipe
from tracker import DOMAIN, TRACKER, tool


def test_every_tool_of_a_domain_is_in_the_environment_or_under_a_reason():
    domain = {**DOMAIN, "n_tools": len(TRACKER)}
    done = compiler.one_domain(domain, TRACKER, MaterializeRecipe(), 3)
    assert len(done.spec.tools) + len(done.rejects) == len(TRACKER)
    figures = dict(compiler.summary([done], compiler.constants([done], 3)))
    assert figures["tools that pass, of all"] == f"{len(done.spec.tools)} of {len(TRACKER)} (94.1%)"
    assert [row[:2] for row in compiler.reasons([done])] == [["1", "no_entity"]]


def test_a_value_that_the_source_spells_out_is_a_constant():
    code = 'def f(db):\n    row = db.get("a", id=1)\n    return {"done": True, "row": {"id": row["id"], "kind": "a"}}\n'
    assert compiler._spelled(code) == {"done", "kind"}
    assert list(compiler._leaves("", {"a": [1, {"b": 2}], "c": []})) == [("a", 1), ("b", 2), ("c", [])]


def test_a_prediction_sees_neither_method_nor_route():
    hidden = operators.read_blind(tool("create_report", "GET", "/reports", [], {}, None))
    assert (hidden.operator, hidden.route.steps) == (Operator.CREATE, ())


def test_a_method_decides_and_a_post_is_judged_by_its_vendor():
    by_method = operators.judge(tool("create_report", "GET", "/reports", [], {}, None))
    assert [(j.group, j.right) for j in by_method] == [("pool: openapi3, by method", False)]
    posted = tool("delete_user", "POST", "/", [], {}, None)
    posted = posted.model_copy(update={"format": "aws", "tool_id": "amazonaws/iam/1/DeleteUser"})
    assert [j.right for j in operators.judge(posted)] == [True, True]
    assert operators.judge(tool("delete_user", "POST", "/", [], {}, None)) == []


def test_on_the_benchmarks_at_least_97_of_100_are_read_right(shared_data):
    judged = operators.benchmarks(shared_data / "bench")
    assert len(judged) == 30 + 162
    misses = {j.tool for j in judged if not j.right}
    assert len(judged) - sum(not j.right for j in judged) >= 0.97 * len(judged)
    assert misses <= set(operators._truth()["explained"])

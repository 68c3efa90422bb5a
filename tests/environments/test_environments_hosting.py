"""One hosted environment serves many sessions: what it refuses, what it keeps."""

from __future__ import annotations

import pickle

import pytest

from rayscaler.environments import hosting
from rayscaler.environments.hosting import HostedEnvironment, host_tool
from rayscaler.errors import EnvironmentSpecError, ToolCodeError
from shop import SHOP


def test_sessions_of_one_seed_are_equal_and_apart():
    environment = HostedEnvironment(SHOP)
    one, two = environment.start(1), environment.start(1)
    assert one.digest() == two.digest()
    one.call("create_order", {"customer_id": one.rows("customers")[0]["customer_id"]})
    assert two.changes() == ()
    assert one.digest() != two.digest()


def test_seeds_that_were_dropped_come_back_equal(monkeypatch):
    monkeypatch.setattr(hosting, "STARTS", 3)
    environment = HostedEnvironment(SHOP, rows=3)
    first = environment.start(0)
    digests = [environment.start(seed).digest() for seed in range(6)]
    first.reset()
    assert first.digest() == digests[0]
    assert [environment.start(seed).digest() for seed in range(6)] == digests
    assert len(set(digests)) == 6


def test_an_environment_pickles():
    environment = pickle.loads(pickle.dumps(HostedEnvironment(SHOP, rows=5)))
    assert environment.start(3).digest() == HostedEnvironment(SHOP, rows=5).start(3).digest()


def test_a_tool_that_is_no_tool_is_refused_by_name():
    tool = SHOP.tool("get_order")
    with pytest.raises(ToolCodeError, match="get_order, line 2: no table 'parcels'"):
        host_tool(tool.model_copy(update={"code": "def get_order(db):\n    return db.find('parcels')\n"}), SHOP)
    with pytest.raises(EnvironmentSpecError, match="get_order: its function is called 'other'"):
        host_tool(tool.model_copy(update={"code": "def other(db):\n    return 1\n"}), SHOP)
    with pytest.raises(EnvironmentSpecError, match="get_order: its parameters are no usable JSON Schema"):
        host_tool(tool.model_copy(update={"parameters": {"properties": {"order_id": {"type": "file"}}}}), SHOP)
    with pytest.raises(EnvironmentSpecError, match="two tools are called 'get_order'"):
        HostedEnvironment(SHOP.model_copy(update={"tools": (tool, tool)}))


def test_a_parameter_under_another_name_reaches_its_argument():
    tool = SHOP.tool("get_order")
    binding = tool.bindings[0].model_copy(update={"parameter": "Order-Id"})
    schema = {"type": "object", "properties": {"Order-Id": {"type": "string", "pattern": "^[0-9a-f]{24}$"}}}
    renamed = tool.model_copy(update={"bindings": (binding,), "parameters": schema})
    session = HostedEnvironment(SHOP.model_copy(update={"tools": (renamed,)})).start(1)
    order_id = session.rows("orders")[0]["order_id"]
    assert session.call("get_order", {"Order-Id": order_id}).ok
    assert session.call("get_order", {"Order-Id": "none"}).error.field == "Order-Id"

"""The rules of an environment in words."""

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.policy import brief_policy, write_policy
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec
from shop import SHOP
from tracker import DOMAIN, TEXT, TRACKER, tool


def compiled(tools: list[ToolSpec]) -> EnvironmentSpec:
    return compile_environment(DOMAIN, tools, MaterializeRecipe()).spec


def test_a_policy_names_subject_records_and_the_frozen_date():
    policy = compiled(TRACKER).policy
    assert "Issue tracker" in policy
    assert "projects, tickets, comments and ticket watchers" in policy
    assert "2026-01-15, 09:00 UTC" in policy


def test_a_policy_is_short_and_lists_no_tools():
    policy = compiled(TRACKER).policy
    assert len(policy.split()) < 250
    assert "create_ticket" not in policy


def test_a_precondition_in_a_name_is_a_rule():
    tools = [
        tool("get_order", "GET", "/orders/{orderId}", ["orderId"], {}, None),
        tool("cancel_pending_order", "POST", "/cancel", ["orderId"], {"orderId": TEXT}, None),
        tool("modify_pending_order", "POST", "/modify", ["orderId", "note"], {}, None),
    ]
    assert "An order must be pending to: cancel pending order, modify pending order." in compiled(tools).policy


def test_ids_are_looked_up_never_made_up():
    assert "Never make one up" in write_policy(SHOP)


def test_a_brief_policy_keeps_the_title_the_date_and_the_rules_of_this_environment_alone():
    brief, full = brief_policy(SHOP), write_policy(SHOP)
    assert brief.splitlines()[0] == f"{SHOP.title}, {SHOP.now[:10]}"
    assert set(brief.splitlines()[1:]) < set(full.splitlines())
    assert "Never make one up" not in brief

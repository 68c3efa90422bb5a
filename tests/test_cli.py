"""The command line on a finished run of the shop: what is shown, what is refused, and how playing goes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from rayscaler.changes import RowChange
from rayscaler.cli import app
from rayscaler.display.changes import changes_text
from rayscaler.display.environment import tools_table
from rayscaler.display.pipeline import StageLines, plan_table, results_table
from rayscaler.display.play import Call, parse_call
from rayscaler.display.rows import widest_cell
from rayscaler.pipeline import Event, PlannedStage, StageResult
from rayscaler.runs import open_run
from shop import SHOP
from shop_run import write_shop_run
from shop_tasks import shop, task_named


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_shop_run(tmp_path_factory.mktemp("runs") / "shop"))


def call(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed, env={"COLUMNS": "200", "NO_COLOR": "1"})


def drawn(renderable: Any, width: int = 160) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_run_is_shown_as_its_tables(folder):
    shown = call("show", folder)
    assert shown.exit_code == 0
    for name in ("environments", "tasks", "trajectories", "verdicts", "examples"):
        assert name in shown.output


def test_a_table_is_shown_with_limit_and_conditions(folder):
    shown = call("show", folder, "trajectories", "--limit", "1", "--where", "task_id=cancel").output
    assert "2 rows; 1 more" in shown
    shown = call("show", folder, "tasks", "--where", "kind=re*", "--columns", "task_id,n_calls").output
    assert "price" in shown
    assert "cancel" not in shown
    assert "opening" not in shown


def test_only_the_longest_columns_give_way_to_a_narrow_terminal():
    assert widest_cell([10, 10, 100], 60) == 40
    assert widest_cell([10, 50, 100], 60) == 25
    assert widest_cell([10, 10], 60) == 10
    assert widest_cell([100, 100, 100], 10) == 8


def test_the_funnel_counts_every_verdict_once(folder):
    shown = call("show", folder, "funnel").output
    kept = sum(row["kept"] for row in open_run(folder).table("verdicts").to_pylist())
    assert f"{kept} of 10 trajectories kept" in shown
    assert "exact_match" in shown


def test_a_trajectory_is_shown_as_a_conversation_with_its_rows_and_verdict(folder):
    row = next(r for r in open_run(folder).table("verdicts").to_pylist() if r["kept"] and r["task_id"] == "address")
    shown = call("show", folder, "trajectories", row["trajectory_id"]).output
    assert task_named("address").intent.opening.split(".")[0] in shown
    assert "-> update_customer" in shown
    assert '-> "14 Mill Lane"' in shown
    assert shown.rstrip().endswith("kept")
    dropped = next(r for r in open_run(folder).table("verdicts").to_pylist() if not r["kept"])
    shown = call("show", folder, "trajectories", dropped["trajectory_id"]).output
    assert f"dropped by {dropped['stage']}: {dropped['reason']}" in shown


def test_an_example_is_shown_with_what_the_loss_looks_at(folder):
    row = open_run(folder).table("examples").to_pylist()[0]
    shown = call("show", folder, "examples", row["trajectory_id"]).output
    assert "<|im_start|>assistant" in shown
    assert f"{row['n_supervised']:,} of {row['n_tokens']:,} tokens supervised" in shown


@pytest.mark.parametrize("table", ["tasks", "environments", "tokenizers"])
def test_any_row_can_be_shown_whole(folder, table):
    key = {"tasks": "price", "environments": SHOP.environment_id, "tokenizers": "bpe-600"}[table]
    assert key in call("show", folder, table, key).output


def test_environments_are_listed_and_described(folder):
    assert SHOP.title in call("env", "list", folder).output
    shown = call("env", "describe", folder, SHOP.title, "--code").output
    assert "cancel_order(order_id, cancel_reason)" in shown
    assert 'require(order["status"] == "pending"' in shown


def test_an_environment_is_written_as_a_folder_to_read(folder, tmp_path):
    shown = call("env", "write", folder, SHOP.title, str(tmp_path / "shop")).output
    files = {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "shop").iterdir()}
    assert set(files) == {"schema.sql", "tools.py", "tools.json", "policy.md", "certificate.json"}
    assert all(name in shown for name in files)
    assert [t["function"]["name"] for t in json.loads(files["tools.json"])] == [t.name for t in SHOP.tools]
    assert SHOP.tool("cancel_order").code in files["tools.py"]
    sqlite3.connect(":memory:").executescript(files["schema.sql"])
    (tmp_path / "taken").write_text("")
    assert "cannot be written" in call("env", "write", folder, SHOP.title, str(tmp_path / "taken")).stderr


def test_what_a_tool_does_not_offer_is_told():
    tool = SHOP.tools[0].model_copy(update={"left_out": ("pageToken", *(f"field{i}" for i in range(6)))})
    shown = drawn(tools_table([tool]))
    assert "not offered: pageToken, field0, field1, field2, field3, field4 and 1 more" in shown


def test_playing_shows_answers_errors_and_changes(folder):
    order = next(row for row in shop().start(3).rows("orders") if row["status"] == "pending")["order_id"]
    lines = [
        f'cancel_order order_id={order} cancel_reason="no longer needed"',
        f'cancel_order {{"order_id": "{order}"}}',
        "cancel_ordr order_id=x",
        "cancel_order nonsense",
        ":changes",
        ":reset",
        ":changes",
        ":rows nowhere",
        ":quit",
        "get_order",
    ]
    shown = call("env", "play", folder, SHOP.title, "--seed", "3", typed="\n".join(lines)).output
    assert f'~ orders {order}  status: "pending" -> "cancelled"' in shown
    assert "did you mean cancel_order" in shown
    assert "expected argument=value or a JSON object" in shown
    assert shown.count(f"~ orders {order}") == 2
    assert "no row changed" in shown
    assert "expected one of customers, products" in shown
    assert "> get_order" not in shown


def test_typed_values_take_the_type_that_the_schema_gives_them():
    line = "add_order_item order_id=0007 product_id=p-1 quantity=3"
    assert parse_call(line, SHOP) == Call("add_order_item", {"order_id": "0007", "product_id": "p-1", "quantity": 3})
    assert parse_call('f {"a": [1]}', SHOP) == Call("f", {"a": [1]})
    with pytest.raises(ValueError, match="not JSON"):
        parse_call("f {a}", SHOP)
    with pytest.raises(ValueError, match="No closing quotation"):
        parse_call('f a="b', SHOP)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "nowhere.yaml"], "nowhere.yaml: no such configuration file"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such configuration file"),
        (["show", "nowhere"], "no run is there"),
        (["show", "{run}", "edges"], "no such whole table; it has rejects, environments"),
        (["show", "{run}", "tasks", "--where", "kid=x"], "did you mean 'kind'?"),
        (["show", "{run}", "tasks", "--where", "kind"], "expected COLUMN=VALUE"),
        (["show", "{run}", "tasks", "--columns", "nothing"], "no column 'nothing'"),
        (["show", "{run}", "tasks", "nobody"], "no rows match"),
        (["env", "play", "{run}", "nowhere"], "no environments match"),
    ],
)
def test_what_cannot_be_done_is_one_panel_and_exit_code_1(folder, arguments, message):
    result = call(*(argument.replace("{run}", folder) for argument in arguments))
    assert result.exit_code == 1
    assert message in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_wrong_usage_is_exit_code_2():
    assert call("run").exit_code == 2
    assert call("show", "x", "--limit", "many").exit_code == 2


def test_ctrl_c_says_what_stays(monkeypatch, tmp_path):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rayscaler.pipeline.run", interrupted)
    config = tmp_path / "c.yaml"
    config.write_text("name: c\n")
    result = call("run", str(config))
    assert result.exit_code == 130
    assert "Tables that are whole stay whole" in result.output


def test_the_program_starts_without_loading_ray_or_torch():
    script = "import sys, rayscaler.cli; print([m for m in ('ray', 'torch', 'transformers') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert shown.stdout.strip() == "[]"


DONE = StageResult("ingest", False, "files", 14, {"tools": 494, "rejects": 3}, {"filtered": 2, "duplicate": 1}, 1.25)
WHOLE = StageResult("embed", True, "tools", 494, {"embeddings": 494}, {}, 9.0)


def test_results_show_rows_in_out_left_out_and_seconds():
    shown = drawn(results_table([DONE, WHOLE]))
    assert "14 files" in shown
    assert "494 tools" in shown
    assert "2 filtered" in shown
    assert "1 duplicate" in shown
    assert "1.2 seconds in all" in shown
    assert "rejects" not in shown


def test_a_plan_says_what_would_run_and_why():
    planned = [
        PlannedStage("ingest", "ab" * 8, True, {"tools": 494}, "whole"),
        PlannedStage("embed", "cd" * 8, False, None, "not made yet"),
    ]
    shown = drawn(plan_table(planned)).splitlines()
    assert any("ingest" in line and "skip" in line and "494 tools" in line for line in shown)
    assert any("embed" in line and "run" in line and "not made yet" in line for line in shown)


def test_without_a_terminal_each_stage_is_one_line():
    console = Console(width=160, color_system=None, force_terminal=False)
    with console.capture() as capture, StageLines(console) as lines:
        lines(Event("ingest", "start"))
        lines(Event("ingest", "progress", 1, 14))
        lines(Event("ingest", "end", result=DONE))
        lines(Event("embed", "skip", result=WHOLE))
    shown = capture.get().splitlines()
    assert [line.split()[0] for line in shown] == ["ingest", "embed"]
    assert shown[0].split() == ["ingest", "14", "files", "->", "494", "tools,", "3", "left", "out", "1.2", "s"]
    assert shown[1].endswith("whole already")


def test_a_live_bar_follows_the_running_stage_and_is_gone_afterwards():
    console = Console(width=120, force_terminal=True)
    with console.capture() as capture, StageLines(console) as lines:
        lines(Event("ingest", "start"))
        lines(Event("ingest", "progress", 7, 14))
        lines(Event("ingest", "end", result=DONE))
    assert "494 tools" in capture.get()


def test_changes_show_inserted_deleted_and_changed_values():
    changes = (
        RowChange(table="a", op="insert", key={"id": 1}, after={"id": 1, "x": "new", "y": None}),
        RowChange(table="a", op="delete", key={"id": 2}, before={"id": 2, "x": "old"}),
        RowChange(table="a", op="update", key={"id": 3}, before={"x": None}, after={"x": 5}),
    )
    assert str(changes_text(changes)) == '+ a 1  x: "new"\n- a 2  x: "old"\n~ a 3  x: null -> 5'


@pytest.mark.ray
def test_a_finished_run_is_planned_and_run_again_as_whole(smoke_run):
    config = str(Path(__file__).parents[1] / "configs" / "smoke.yaml")
    planned = call("plan", config, "--run", str(smoke_run)).output
    assert planned.count(" skip ") == 10
    again = call("run", config, "--run", str(smoke_run)).output
    assert again.count("whole already") == 10
    assert "0.0 seconds in all" in again
    assert f"funnel {smoke_run}" in again.replace("\n", "")


def test_markup_in_data_is_shown_as_it_is():
    changes = (RowChange(table="a", op="insert", key={"id": 1}, after={"id": 1, "x": "[bold]y[/bold]"}),)
    assert "[bold]y[/bold]" in drawn(changes_text(changes))


def test_the_funnel_is_shown_by_domain_length_and_mistake_and_as_markdown(folder):
    whole = call("funnel", folder).output
    assert all(word in whole for word in ("exact_match", "tool calls", "planted mistake", "of 10 trajectories kept"))
    planted = call("funnel", folder, "--by", "planted", "--markdown").output.splitlines()
    assert planted[0].startswith("| planted mistake | in | validity | state | exact_match | answer | kept |")
    assert sum(int(line.split("|")[2]) for line in planted[2:]) == 10
    refused = call("funnel", folder, "--by", "month")
    assert refused.exit_code == 2
    assert "domain, length, planted" in " ".join(refused.output.split())


def test_the_funnel_is_drawn_the_same_every_time_and_only_in_known_formats(folder, tmp_path):
    pytest.importorskip("matplotlib")
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        call("funnel", folder, "--plot", str(picture))
    drawn = pictures[0].read_text(encoding="utf-8")
    assert drawn == pictures[1].read_text(encoding="utf-8")
    assert all(text in drawn for text in ("by length", "by domain", "dropped by state", "of 10 trajectories pass"))
    assert "funnel.txt: expected a name" in call("funnel", folder, "--plot", str(tmp_path / "funnel.txt")).output

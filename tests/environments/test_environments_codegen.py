"""The code of compiled tools: read it, and run it."""

from typing import Any

import pytest

from rayscaler.environment import EnvironmentSpec, Part, ToolErrorKind
from rayscaler.environments.codegen_results import fill
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.language import check_tool
from rayscaler.environments.session import SqliteSession
from rayscaler.environments.wording import first_sentence
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec
from tracker import DOMAIN, TEXT, TRACKER, listed, tool


def compiled(tools: list[ToolSpec]) -> EnvironmentSpec:
    return compile_environment(DOMAIN, tools, MaterializeRecipe()).spec


SPEC = compiled(TRACKER)
HOST = HostedEnvironment(SPEC)


@pytest.fixture
def session() -> SqliteSession:
    return HOST.start(11)


def answer(session: SqliteSession, name: str, /, **arguments: Any) -> Any:
    result = session.call(name, arguments)
    assert result.error is None, result.error
    return result.value


def test_a_compiled_tool_reads_like_one_that_a_person_wrote():
    assert SPEC.tool("list_tickets").code == (
        'def list_tickets(db, projectId: str, status: str = None, pageSize: int = None) -> dict:\n'
        '    """List tickets. Reads tickets."""\n'
        '    db.get("projects", id=projectId)\n'
        '    tickets = db.find("tickets", projectId=projectId, status=status)\n'
        '    tickets = tickets[:pageSize]\n'
        '    return {"tickets": [{k: v for k, v in x.items() if v is not None} for x in tickets]}\n'
    )


def test_every_tool_is_inside_the_language_and_writes_what_its_operator_says():
    for one in SPEC.tools:
        assert bool(check_tool(one.code).writes) == one.operator.writes, one.name


def test_every_parameter_has_a_binding_and_ignored_ones_are_no_argument_of_the_function():
    for one in SPEC.tools:
        assert [b.parameter for b in one.bindings] == list(one.parameters["properties"])
        used = {b.argument for b in one.bindings if b.part is not Part.IGNORED}
        assert {p.name for p in check_tool(one.code).parameters} == used


def test_what_is_created_is_got_listed_and_found(session):
    project = answer(session, "create_project", name="Ark")
    made = answer(session, "create_ticket", projectId=project["id"], title="Leak in hull", priority=2)["ticket"]
    assert (made["title"], made["priority"], made["status"]) == ("Leak in hull", 2, "OPEN")
    assert answer(session, "get_ticket", ticketId=made["id"]) == {"ticket": made}
    assert answer(session, "list_tickets", projectId=project["id"]) == {"tickets": [made]}
    assert made in answer(session, "search_tickets", query="leak IN")["tickets"]


def test_an_update_leaves_alone_what_it_is_not_given(session):
    ticket = session.rows("tickets")[0]
    changed = answer(session, "update_ticket", ticketId=ticket["id"], title="New")
    assert (changed["title"], changed["projectId"]) == ("New", ticket["projectId"])


def test_a_transition_happens_once(session):
    ticket = next(t for t in session.rows("tickets") if t["status"] == "OPEN")
    assert answer(session, "close_ticket", ticketId=ticket["id"])["status"] == "CLOSED"
    again = session.call("close_ticket", {"ticketId": ticket["id"]})
    assert again.error is not None
    assert again.error.kind is ToolErrorKind.PRECONDITION_FAILED


def test_what_is_deleted_is_gone_with_all_that_hangs_on_it(session):
    ticket = session.rows("comments")[0]["ticketId"]
    answer(session, "delete_ticket", ticketId=ticket)
    assert session.call("get_ticket", {"ticketId": ticket}).error.kind is ToolErrorKind.NOT_FOUND
    assert ticket not in {c["ticketId"] for c in session.rows("comments")}


def test_a_relation_is_listed_while_it_is_there(session):
    ticket = session.rows("tickets")[0]["id"]
    answer(session, "add_watcher_to_ticket", ticketId=ticket, watcherId="ann")
    assert "ann" in {w["watcherId"] for w in answer(session, "list_ticket_watchers", ticketId=ticket)["watchers"]}
    assert session.call("add_watcher_to_ticket", {"ticketId": ticket, "watcherId": "ann"}).error is not None
    answer(session, "remove_watcher_from_ticket", ticketId=ticket, watcherId="ann")
    assert "ann" not in {w["watcherId"] for w in answer(session, "list_ticket_watchers", ticketId=ticket)["watchers"]}


def test_a_list_under_no_parent_and_a_row_for_no_parent_are_not_found(session):
    assert session.call("list_tickets", {"projectId": "none"}).error.kind is ToolErrorKind.NOT_FOUND
    error = session.call("create_ticket", {"projectId": "none", "title": "x"}).error
    assert (error.kind, error.field) == (ToolErrorKind.NOT_FOUND, "projectId")


def test_a_page_size_limits_a_list(session):
    assert len(answer(session, "list_projects", pageSize=2)["projects"]) == 2


ITEM = {"type": "object", "properties": {"id": TEXT, "name": TEXT, "from": TEXT, "createdAt": TEXT}}


def test_awkward_names_become_arguments_and_columns_that_work():
    tools = [
        tool("create_mail", "POST", "/mails", ["from", "max-size", "len"], {}, ITEM),
        tool("get_mail", "GET", "/mails/{mail_id}", ["mail_id"], {}, ITEM),
    ]
    session = HostedEnvironment(compiled(tools)).start(1)
    made = answer(session, "create_mail", **{"from": "ann", "max-size": "3", "len": "4"})
    assert made["from"] == "ann"
    assert {r["max_size"] for r in session.rows("mails") if r["id"] == made["id"]} == {"3"}
    assert answer(session, "get_mail", mail_id=made["id"])["from"] == "ann"


def test_an_argument_that_holds_the_whole_row_is_taken_apart():
    group = {"type": "object", "properties": {"name": TEXT, "from": TEXT}}
    tools = [
        tool("create_group", "POST", "/groups", ["group"], {"group": group}, ITEM),
        tool("get_group", "GET", "/groups/{groupId}", ["groupId"], {}, ITEM),
    ]
    session = HostedEnvironment(compiled(tools)).start(1)
    made = answer(session, "create_group", group={"name": "Crew", "from": "us"})
    assert answer(session, "get_group", groupId=made["id"])["name"] == "Crew"


def test_a_move_writes_the_column_of_its_own_scope():
    task = {"type": "object", "properties": {"id": TEXT, "title": TEXT}}
    tools = [
        tool("insert_list", "POST", "/lists", ["title"], {}, task),
        tool("get_list", "GET", "/lists/{listId}", ["listId"], {}, task),
        tool("list_tasks", "GET", "/lists/{listId}/tasks", ["listId"], {}, listed("items", task)),
        tool("get_task", "GET", "/lists/{listId}/tasks/{taskId}", ["listId", "taskId"], {}, task),
        tool("move_task", "POST", "/lists/{listId}/tasks/{taskId}/move", ["listId", "taskId", "destination"], {}, task),
    ]
    session = HostedEnvironment(compiled(tools)).start(1)
    row = session.rows("tasks")[0]
    other = next(r["id"] for r in session.rows("lists") if r["id"] != row["listId"])
    answer(session, "move_task", listId=row["listId"], taskId=row["id"], destination=other)
    assert row["id"] in {t["id"] for t in answer(session, "list_tasks", listId=other)["items"]}
    assert session.call("get_task", {"listId": row["listId"], "taskId": row["id"]}).error is not None


def test_range_and_prefix_filters_compare():
    due_time = {"type": "string", "format": "date-time"}
    event = {"type": "object", "properties": {"id": TEXT, "name": TEXT, "due": due_time}}
    tools = [tool("list_events", "GET", "/events", [], {"dueMin": TEXT, "namePrefix": TEXT}, listed("events", event))]
    session = HostedEnvironment(compiled(tools)).start(3)
    due = sorted(r["due"] for r in session.rows("events") if r["due"])
    later = answer(session, "list_events", dueMin=due[-1])["events"]
    assert {e["due"] for e in later} == {due[-1]}
    name = session.rows("events")[0]["name"]
    assert all(e["name"].startswith(name[:3]) for e in answer(session, "list_events", namePrefix=name[:3])["events"])


def test_a_first_sentence_does_not_end_inside_an_abbreviation():
    assert first_sentence("Moves it, i.e. changes it. More.") == "Moves it, i.e. changes it."
    assert first_sentence("") == ""


def test_parts_are_filled_into_lines():
    assert fill(["a=1", "b=2", "c=3"], 9) == ["a=1, b=2,", "c=3,"]

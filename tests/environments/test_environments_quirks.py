"""Quirks of real APIs that the compiler must see through, each as small as it can be told."""

import pytest

from rayscaler.environment import CompiledTool, EnvironmentSpec, Operator, Part, Semantic
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.infer_semantics import semantic_of
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec
from tracker import DOMAIN, TEXT, listed, tool

RECIPE = MaterializeRecipe(min_tools=1)
TIME = {"type": "string", "format": "date-time"}


def compiled(tools: list[ToolSpec]) -> EnvironmentSpec:
    return compile_environment(DOMAIN, tools, RECIPE).spec


def rejects(tools: list[ToolSpec]) -> dict[str, str]:
    return {r.key.rsplit("/", 1)[1]: r.detail for r in compile_environment(DOMAIN, tools, RECIPE).rejects}


def parts(one: CompiledTool) -> dict[str, tuple[Part, str | None]]:
    return {b.parameter: (b.part, b.column) for b in one.bindings}


def item(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": {n: s if isinstance(s, dict) else TEXT for n, s in properties.items()}}


def rpc(name: str, required: list[str], optional: dict[str, object], response: dict[str, object] | None) -> ToolSpec:
    return tool(name, "", "", required, optional, response)


CONTACT = item(ContactArn=1, Alias=1)
CHANNEL = item(ContactChannelArn=1, ContactArn=1, Name=1)
PAGING = [
    rpc("create_contact", ["Alias"], {}, item(ContactArn=1)),
    rpc("get_contact", ["ContactId"], {}, CONTACT),
    rpc("list_contacts", [], {}, listed("Contacts", CONTACT)),
    rpc("create_contact_channel", ["ContactId", "Name"], {}, item(ContactChannelArn=1)),
    rpc("list_contact_channels", ["ContactId"], {}, listed("ContactChannels", CHANNEL)),
    rpc("get_contact_channel", ["ContactChannelId"], {}, CHANNEL),
]


def test_an_id_that_no_answer_tells_is_the_arn_that_all_of_them_tell():
    spec = compiled(PAGING)
    assert (spec.entity("contacts").key, spec.entity("contact_channels").key) == ("ContactArn", "ContactChannelArn")
    assert spec.entity("contact_channels").column("ContactArn").references == "contacts"
    assert "ContactId" not in {c.name for c in spec.entity("contact_channels").columns}
    assert parts(spec.tool("create_contact_channel"))["ContactId"] == (Part.REFERENCE, "ContactArn")
    assert certify(spec, RECIPE, seed=1).certificate["coherence"]["score"] == 1.0


def test_a_folder_refers_to_its_parent_folder():
    folder = item(id=1, name=1, parentFolderId=1)
    spec = compiled([
        tool("create_folder", "POST", "/folders", ["parentFolderId", "name"], {}, folder),
        tool("get_folder", "GET", "/folders/{folderId}", ["folderId"], {}, folder),
        tool("list_folders", "GET", "/folders", [], {}, listed("folders", folder)),
    ])
    assert spec.entity("folders").column("parentFolderId").references == "folders"
    rows = HostedEnvironment(spec).start(1).rows("folders")
    assert {r["parentFolderId"] for r in rows} <= {r["id"] for r in rows}


def test_the_contents_of_a_folder_are_the_folders_inside_it():
    own = "/folders/{folderId}"
    folder = item(id=1, name=1, parentFolderId=1, owner=1, label=1)
    spec = compiled([
        tool("create_folder", "POST", "/folders", ["parentFolderId", "name"], {}, folder),
        tool("get_folder", "GET", own, ["folderId"], {}, folder),
        tool("list_folder_contents", "GET", f"{own}/contents", ["folderId"], {}, listed("folders", folder)),
        tool("delete_folder_contents", "DELETE", f"{own}/contents", ["folderId"], {}, None),
    ])
    assert {e.name for e in spec.entities} == {"folders"}
    for name in ("list_folder_contents", "delete_folder_contents"):
        assert parts(spec.tool(name)) == {"folderId": (Part.FILTER, "parentFolderId")}
    assert certify(spec, RECIPE, seed=1).rejects == []


def test_whose_a_row_is_matters_more_than_what_the_owner_points_at():
    file, revision = item(id=1, name=1, headRevisionId=1), item(id=1, size=1)
    spec = compiled([
        tool("get_file", "GET", "/files/{fileId}", ["fileId"], {}, file),
        tool("list_files", "GET", "/files", [], {}, listed("files", file)),
        tool("get_revision", "GET", "/files/{fileId}/revisions/{revisionId}", ["fileId", "revisionId"], {}, revision),
        tool("list_revisions", "GET", "/files/{fileId}/revisions", ["fileId"], {}, listed("revisions", revision)),
    ])
    assert spec.entity("revisions").column("fileId").references == "files"
    assert spec.entity("files").column("headRevisionId").references is None


def test_a_scope_that_the_specification_fills_in_itself_has_that_value():
    me = {"type": "string", "default": "me", "description": "The special value me is the user who is signed in."}
    label = item(id=1, name=1)
    spec = compiled([
        tool("get_label", "GET", "/users/{userId}/labels/{labelId}", ["userId", "labelId"], {"userId": me}, label),
        tool("list_labels", "GET", "/users/{userId}/labels", ["userId"], {"userId": me}, listed("labels", label)),
    ])
    assert spec.tool("get_label").parameters["properties"]["userId"]["enum"] == ["me"]
    assert "`userId` is always `me`" in spec.policy


def test_start_and_end_of_a_list_bound_a_span_of_time():
    shift = item(shiftId=1, StartTime=TIME, EndTime=TIME)
    spec = compiled([
        rpc("list_shifts", ["StartTime", "EndTime"], {"StartTime": TIME, "EndTime": TIME}, listed("shifts", shift)),
        rpc("get_shift", ["shiftId"], {}, shift),
    ])
    code = spec.tool("list_shifts").code
    assert 'x["StartTime"] >= StartTime' in code
    assert 'x["EndTime"] <= EndTime' in code


def test_beside_its_key_a_read_takes_no_filter_that_it_would_not_use():
    file = item(id=1, name=1, mimeType=1)
    spec = compiled([
        tool("list_files", "GET", "/files", [], {}, listed("files", file)),
        tool("export_file", "GET", "/files/{fileId}", ["fileId", "mimeType"], {}, file),
        tool("get_file", "GET", "/files/{fileId}/metadata", ["fileId"], {"name": TEXT}, file),
    ])
    assert parts(spec.tool("export_file"))["mimeType"] == (Part.IGNORED, None)
    assert spec.tool("get_file").left_out == ("name",)


def test_a_key_is_spelled_as_the_list_spells_it():
    check = item(checkId=1, status=1)
    spec = compiled([
        rpc("describe_check_result", ["checkId"], {}, {"type": "object", "properties": {"result": check}}),
        rpc("describe_checks", [], {}, listed("checks", item(id=1, name=1, category=1))),
        rpc("refresh_check", ["checkId"], {}, None),
    ])
    assert spec.entity("checks").key == "id"


def test_an_id_that_the_maker_hands_out_and_the_reader_asks_for_is_the_key():
    spec = compiled([
        rpc("create_import", ["source"], {}, item(jobId=1)),
        rpc("get_import", ["jobId"], {}, item(jobId=1, source=1, status=1)),
    ])
    assert spec.entity("imports").key == "jobId"
    assert spec.tool("get_import").binding("jobId").part is Part.KEY  # type: ignore[union-attr]


def test_a_comment_makes_no_status_that_the_specification_lacks():
    approval = item(approvalId=1, status={"type": "string", "enum": ["IN_PROGRESS", "APPROVED", "CANCELLED"]})
    spec = compiled([
        tool("approvals_list", "GET", "/approvals", [], {}, listed("approvals", approval)),
        tool("approvals_approve", "POST", "/approvals/{approvalId}:approve", ["approvalId"], {}, approval),
        tool("approvals_comment", "POST", "/approvals/{approvalId}:comment", ["approvalId"], {"message": TEXT}, None),
    ])
    assert spec.tool("approvals_comment").operator is Operator.UPDATE
    assert spec.entity("approvals").column("status").enum == ("IN_PROGRESS", "APPROVED", "CANCELLED")


def test_statuses_are_found_behind_the_words_that_all_values_share():
    states = {"type": "string", "enum": ["STATE_CREATED", "STATE_ACTIVE", "STATE_CANCELLED"]}
    steps = {"type": "string", "enum": ["STEP_BEGINNING", "STEP_LASTING"]}
    plan = item(planId=1, step={"type": "string", "description": "x"}, processingState=steps, state=states)
    spec = compiled([
        tool("list_plans", "GET", "/plans", [], {}, listed("plans", plan)),
        tool("cancel_plan", "POST", "/plans/{planId}:cancel", ["planId"], {}, plan),
    ])
    assert 'state="STATE_CANCELLED"' in spec.tool("cancel_plan").code


def test_what_ends_something_begins_nothing_new():
    task = item(taskHandle=1, status=1)
    tools = [
        rpc("start_move_task", ["source"], {}, item(taskHandle=1)),
        rpc("list_move_tasks", [], {}, listed("tasks", task)),
        rpc("cancel_move_task", ["taskHandle"], {}, None),
        rpc("stop_move_task", ["everything"], {}, None),
    ]
    assert parts(compiled(tools).tool("cancel_move_task"))["taskHandle"] == (Part.KEY, "taskHandle")
    assert rejects(tools) == {"stop_move_task": "it names no row"}


def test_what_is_sent_by_its_id_is_there_already():
    send = tool("drafts_send", "POST", "/drafts/send", ["id"], {"subject": TEXT}, item(id=1, subject=1))
    draft = item(id=1, subject=1)
    spec = compiled([
        tool("drafts_create", "POST", "/drafts", ["subject"], {}, draft),
        tool("drafts_list", "GET", "/drafts", [], {}, listed("drafts", draft)),
        send.model_copy(update={"resources": ("drafts",)}),
    ])
    assert spec.tool("drafts_send").operator is Operator.TRANSITION
    assert spec.entity("drafts").column("id").generated


def test_webhooks_and_deletions_of_parts_are_rejected_by_name():
    thing = item(thingId=1, name=1)
    tools = [
        tool("list_things", "GET", "/things", [], {}, listed("things", thing)),
        tool("get_thing", "GET", "/things/{thingId}", ["thingId"], {}, thing),
        tool("watch_things", "POST", "/things/watch", ["address"], {}, None),
        tool("delete_thing_policy", "POST", "/DeleteThingPolicy", ["thingId"], {}, None),
    ]
    found = rejects(tools)
    assert "webhook" in found["watch_things"]
    assert found["delete_thing_policy"] == "it takes away a part of a row"


@pytest.mark.parametrize(
    ("name", "schema", "semantic"),
    [
        ("expiration", {"type": "string", "format": "int64", "description": "Unix timestamp, in milliseconds."},
         Semantic.MILLISECONDS),
        ("internalDate", {"type": "string", "format": "int64", "description": "(epoch ms), creation"},
         Semantic.MILLISECONDS),
        ("millisUntilNext", {"type": "integer", "description": "The time, in milliseconds, until"}, Semantic.QUANTITY),
        ("size", {"type": "string", "format": "int64"}, Semantic.QUANTITY),
        ("backgroundColor", {"type": "string", "description": "In hexadecimal format."}, Semantic.COLOR),
        ("colorId", {"type": "string", "description": "The color of the calendar."}, Semantic.CODE),
        ("raw", {"type": "string", "format": "byte"}, Semantic.BASE64),
        ("pkcs12", {"type": "string", "description": "A base64 encoded key."}, Semantic.BASE64),
        ("timeZoneId", {"type": "string"}, Semantic.TIMEZONE),
        ("dataOwner", {"type": "string", "description": "The email of the owner."}, Semantic.EMAIL),
    ],
)  # fmt: skip
def test_semantics_that_names_alone_do_not_tell(name, schema, semantic):
    assert semantic_of(name, schema) is semantic


def test_values_of_these_kinds_read_as_the_apis_write_them():
    kinds = {
        "expires": {"type": "string", "format": "int64", "description": "Unix timestamp, in milliseconds."},
        "size": {"type": "string", "format": "int64"}, "hexColor": {"type": "string", "description": "A hex color."},
        "raw": {"type": "string", "format": "byte"},
    }
    file = {**item(id=1, **kinds), "required": ["id", *kinds]}
    spec = compiled([
        tool("list_files", "GET", "/files", [], {}, listed("files", file)),
        tool("get_file", "GET", "/files/{fileId}", ["fileId"], {}, file),
    ])
    for row in HostedEnvironment(spec).start(3).rows("files"):
        assert len(row["expires"]) == 13
        assert row["expires"].isdigit()
        assert row["size"].isdigit()
        assert row["hexColor"].startswith("#")
        assert len(row["raw"]) % 4 == 0

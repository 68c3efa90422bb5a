"""A small issue tracker as tool specifications: what a reader of OpenAPI files would give the compiler.

Projects have tickets, tickets have comments, tickets have watchers. Answers are wrapped as real APIs wrap them.
"""

from __future__ import annotations

from typing import Any

from rayscaler.toolspec import ToolSpec

TEXT: dict[str, Any] = {"type": "string"}
PROJECT = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": TEXT, "name": TEXT, "ownerEmail": TEXT, "createdAt": {"type": "string", "format": "date-time"},
    },
}
TICKET = {
    "type": "object",
    "required": ["id", "title", "status"],
    "properties": {
        "id": TEXT,
        "projectId": TEXT,
        "title": TEXT,
        "description": TEXT,
        "status": {"type": "string", "enum": ["OPEN", "IN_PROGRESS", "CLOSED"]},
        "priority": {"type": "integer", "minimum": 1, "maximum": 5},
        "dueDate": {"type": "string", "format": "date"},
        "updatedAt": {"type": "string", "format": "date-time"},
    },
}
WRAPPED = {"type": "object", "properties": {"ticket": TICKET}}
COMMENT = {"type": "object", "properties": {"id": TEXT, "ticketId": TEXT, "body": TEXT}}


def listed(name: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "array", "items": item}, "nextPageToken": TEXT}}


def tool(  # noqa: PLR0917
    name: str, method: str, path: str, required: list[str], optional: dict[str, Any], response: dict[str, Any] | None,
    description: str = "",
) -> ToolSpec:
    properties = {n: optional.get(n, TEXT) for n in required} | optional
    in_path = {n for n in properties if f"{{{n}}}" in path}
    body = method in ("POST", "PUT", "PATCH")
    locations = {n: "path" if n in in_path else "body" if body else "query" for n in properties}
    nouns = tuple(s for s in path.split("/") if s and "{" not in s)
    return ToolSpec(
        tool_id=f"acme/tracker/1/{name}", name=name, vendor="acme", api="tracker", version="1", description=description,
        method=method, path=path, resources=nouns, locations=locations, response=response, format="openapi3",
        parameters={"type": "object", "properties": properties, "required": required},
    )


_TICKET_VALUES = {n: TICKET["properties"][n] for n in ("description", "priority", "dueDate")}  # type: ignore[index]
_PAGE = {"pageSize": {"type": "integer"}, "pageToken": TEXT}

TRACKER = [
    tool("create_project", "POST", "/projects", ["name"], {"ownerEmail": TEXT}, PROJECT, "Create a project."),
    tool("get_project", "GET", "/projects/{projectId}", ["projectId"], {}, PROJECT, "Get a project."),
    tool("list_projects", "GET", "/projects", [], _PAGE, listed("projects", PROJECT), "List projects."),
    tool("delete_project", "DELETE", "/projects/{projectId}", ["projectId"], {}, {"type": "object", "properties": {}}),
    tool("create_ticket", "POST", "/projects/{projectId}/tickets", ["projectId", "title"], _TICKET_VALUES, WRAPPED,
         "Open a ticket in a project."),
    tool("get_ticket", "GET", "/tickets/{ticketId}", ["ticketId"], {}, WRAPPED),
    tool("list_tickets", "GET", "/projects/{projectId}/tickets", ["projectId"],
         {"status": TICKET["properties"]["status"], **_PAGE}, listed("tickets", TICKET)),  # type: ignore[index]
    tool("search_tickets", "GET", "/tickets/search", ["query"], _PAGE, listed("tickets", TICKET)),
    tool("update_ticket", "PATCH", "/tickets/{ticketId}", ["ticketId"], {"title": TEXT, **_TICKET_VALUES}, TICKET),
    tool("close_ticket", "POST", "/tickets/{ticketId}/close", ["ticketId"], {}, TICKET, "Close a ticket."),
    tool("delete_ticket", "DELETE", "/tickets/{ticketId}", ["ticketId"], {}, None),
    tool("add_comment", "POST", "/tickets/{ticketId}/comments", ["ticketId", "body"], {}, COMMENT, "Comment a ticket."),
    tool("list_comments", "GET", "/tickets/{ticketId}/comments", ["ticketId"], _PAGE, listed("comments", COMMENT)),
    tool("add_watcher_to_ticket", "POST", "/watchers/add", ["ticketId", "watcherId"], {}, None, "Watch a ticket."),
    tool("remove_watcher_from_ticket", "POST", "/watchers/remove", ["ticketId", "watcherId"], {}, None),
    tool("list_ticket_watchers", "GET", "/watchers/list", ["ticketId"], {}, None, "List who watches a ticket."),
    tool("calculate", "POST", "/calculate", ["expression"], {}, None, "Calculate an expression."),
]

DOMAIN = {"domain_id": "tracker", "title": "Issue tracker", "description": "Projects, tickets and comments."}

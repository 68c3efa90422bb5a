"""Formats that are recognised by their content and have no adapter. An adapter takes the place of its line here."""

from __future__ import annotations

from typing import Any

from rayscaler.specs.operation import Format
from rayscaler.specs.values import listing, mapping, text


def _first(document: Any) -> dict[str, Any]:
    return mapping(document[0]) if isinstance(document, list) and document else mapping(document)


def _postman(document: Any) -> bool:
    info = mapping(document, "info")
    return "item" in mapping(document) and ("_postman_id" in info or "getpostman.com" in text(info, "schema"))


def _toolbench(document: Any) -> bool:
    first = _first(document)
    return isinstance(first.get("api_list"), list) or {"tool_name", "api_list"} <= first.keys()


def _seal_tools(document: Any) -> bool:
    return {"api_name", "api_description", "parameters"} <= _first(document).keys()


def _api_zoo(document: Any) -> bool:
    return {"api_name", "api_call"} <= _first(document).keys()


def _api_bank(document: Any) -> bool:
    return {"input_parameters", "api_info"} <= _first(document).keys()


def _taskbench(document: Any) -> bool:
    nodes = listing(document, "nodes")
    return bool(nodes) and {"id", "desc"} <= mapping(nodes[0]).keys()


def _toolalpaca(document: Any) -> bool:
    keys = _first(document).keys()
    return "Name" in keys and bool({"Function_Description", "NLDocumentation", "Functions"} & keys)


FORMATS = (
    Format("postman", _postman, None),
    Format("toolbench", _toolbench, None),
    Format("apizoo", _api_zoo, None),
    Format("seal-tools", _seal_tools, None),
    Format("api-bank", _api_bank, None),
    Format("taskbench", _taskbench, None),
    Format("toolalpaca", _toolalpaca, None),
)

'''API-Bank's table (CSV, Chinese headers) -> operations.

    id,类型,应用场景,API名称,参数,路径,类名,input_parameters,expressions,api_info
    7,对外影响 - 数据库操作 - 删,账户管理,…,…,…,DeleteAccount,"(token: str)",…,"description = ""…""
    input_parameters = {'token': {'type': 'str', 'description': '…'}}
    output_parameters = {'status': {'type': 'str', 'description': 'success or failed'}}"

`api_info` is a piece of Python that assigns literals; it is parsed, never run. Where it is broken, the signature in
`input_parameters` stands in. The column 类型 (kind) says whether an API reads (获取信息, 查) or writes (增, 删, 改).
'''

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import function_name, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.values import mapping, text

MAX_INFO = 20_000
"""Characters of `api_info`."""

MAX_SIGNATURE = 2_000
"""Characters of `input_parameters`."""

_PARAMETER = re.compile(r"(\w+)\s*:\s*(\w+)")


def _operations(document: Any) -> Iterator[Operation | Refused]:
    for i, row in enumerate(document):
        name = text(row, "类名").strip()
        if not name:
            yield Refused(pointer(i), Reason.INVALID_OPERATION, "expected a row with a class name in the column 类名")
            continue
        info = _literals(text(row, "api_info"))
        answers = mapping(info, "output_parameters")
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=pointer(i),
            arguments=_arguments(info, text(row, "input_parameters")),
            description=text(info, "description") or text(row, "API名称"),
            response={"type": "object", "properties": answers} if answers else None,
            read_only=_read_only(text(row, "类型")),
        )


def _literals(source: str) -> dict[str, Any]:
    """Name -> literal of every assignment in `source` that is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(source[:MAX_INFO]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found = {}
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return found


def _arguments(info: dict[str, Any], signature: str) -> Arguments:
    arguments = Arguments()
    declared = mapping(info, "input_parameters") or {
        name: {"type": kind} for name, kind in _PARAMETER.findall(signature[:MAX_SIGNATURE])
    }
    for name, schema in declared.items():
        optional = "optional" in text(schema, "description").lower()
        arguments.add(name, schema, "", required=not optional)
    return arguments


def _read_only(kind: str) -> bool | None:
    if kind.startswith("获取信息") or kind.endswith("查"):
        return True
    return False if kind.endswith(("增", "删", "改")) else None


def recognise(document: Any) -> bool:
    """The first row has API-Bank's columns."""
    first = mapping(document[0]) if isinstance(document, list) and document else {}
    return {"input_parameters", "api_info", "类名"} <= first.keys()


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API: the whole table."""
    vendor = slug(origin.source) or "api-bank"
    reader = origin.reader(Document(document).locate)
    return [Specification(vendor=vendor, api="api-bank", reader=reader, operations=_operations(document))]


FORMAT = Format("api-bank", recognise, read)

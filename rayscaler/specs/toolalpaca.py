"""ToolAlpaca -> operations: simulated APIs, each with an OpenAPI document as text and its functions in words.

    [{"Name": "Axolotl", "Documentation": "{\\"openapi\\": \\"3.0.0\\", …}", "Function_Description": {"getFacts":
      "Facts.\\nParameters: {\\"limit\\": \\"Required. integer. How many.\\"}\\nOutput: …", "components": "…"},
      "Function_Projection": {"getFacts": ["/facts", "get"]}, "Instructions": […]}]

An operation comes from the OpenAPI document; a function that the document does not have comes from its words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason
from rayscaler.specs import openapi, swagger
from rayscaler.specs.decode import decode
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import function_name, label
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.prose import described
from rayscaler.specs.values import listing, mapping, text

_PARAMETERS = "Parameters:"


def _documented(where: str, api: Any, origin: Origin) -> Specification | None:
    """The API of the embedded document, or None where that is no OpenAPI."""
    document = api.get("Documentation")
    if isinstance(document, str) and document.strip():
        try:
            document = decode(document.encode("utf-8", "replace"), "documentation.json")
        except SpecError:
            return None
    read = openapi.read if openapi.recognise(document) else swagger.read if swagger.recognise(document) else None
    if read is None:
        return None
    found = read(document, origin)[0]
    return found._replace(operations=_renamed(found, where, api))


def _renamed(found: Specification, where: str, api: Any) -> Iterator[Operation | Refused]:
    """The document's operations under the functions' names, then the functions that it has not."""
    routes = {
        (text(route[0]).strip("/"), text(route[1]).upper()): name
        for name, route in mapping(api, "Function_Projection").items()
        if len(listing(route)) == 2
    }
    seen = set()
    for operation in found.operations:
        at = f"{where}/Documentation{operation.pointer}"
        if isinstance(operation, Refused):
            yield operation._replace(pointer=at)
            continue
        name = routes.get((operation.path.strip("/"), operation.method), operation.spelled)
        seen |= {name, operation.spelled}
        yield operation._replace(pointer=at, spelled=name, name=function_name(name) if name else operation.name)
    yield from _functions(where, api, seen)


def _functions(where: str, api: Any, seen: set[str]) -> Iterator[Operation | Refused]:
    """The functions that are described in words and not in `seen`."""
    for name, words in mapping(api, "Function_Description").items():
        if name == "components" or name in seen:
            continue
        at = where + pointer("Function_Description", name)
        if not isinstance(words, str):
            yield Refused(at, Reason.INVALID_OPERATION, f"expected a description, found {type(words).__name__}")
            continue
        route = listing(mapping(api, "Function_Projection"), name)
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=at,
            arguments=_arguments(words),
            description=words.partition("\nParameters:")[0].removeprefix("Parameters:").strip() or name,
            method=text(route[1]).upper()[:10] if len(route) == 2 else "",
            path=text(route[0]) if len(route) == 2 else "",
        )


def _arguments(words: str) -> Arguments:
    arguments = Arguments()
    _, _, told = words[:50_000].partition(_PARAMETERS)
    try:
        declared, _ = json.JSONDecoder().raw_decode(told.lstrip())
    except (ValueError, RecursionError):
        declared = {}
    for name, prose in mapping(declared).items():
        found = described(text(prose))
        arguments.add(name, found.schema, "", required=found.required is True)
    return arguments


def recognise(document: Any) -> bool:
    """One of the first entries has a name and functions in words."""
    rows = document[:5] if isinstance(document, list) else [document]
    return any("Name" in mapping(row) and {"Function_Description", "NLDocumentation"} & row.keys() for row in rows)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per entry, which is its own vendor."""
    rows = document if isinstance(document, list) else [document]
    found = []
    for i, api in enumerate(rows):
        where = pointer(i) if isinstance(document, list) else ""
        name = text(api, "Name") or "unnamed"
        documented = _documented(where, api, origin) if isinstance(api, dict) else None
        plain = Specification(
            vendor=label(name).lower(),
            api=label(name),
            reader=origin.reader(Document(document).locate),
            operations=_functions(where, api, set()),
            title=name,
        )
        if documented is not None:
            kept = documented._asdict()
            plain = plain._replace(**{key: kept[key] for key in ("reader", "operations", "version")})
        found.append(plain)
    return found


FORMAT = Format("toolalpaca", recognise, read)

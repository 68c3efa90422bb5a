"""An environment as a folder that a person reads: file name -> text. Pure: nothing here writes to a disk."""

from __future__ import annotations

import json
from typing import Any

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.sql import schema_sql


def folder_of(spec: EnvironmentSpec, certificate: dict[str, Any]) -> dict[str, str]:
    """`schema.sql`, `tools.py`, `tools.json` (OpenAI form), `policy.md`, `certificate.json`."""
    return {
        "schema.sql": schema_sql(spec.entities),
        "tools.py": tools_py(spec),
        "tools.json": _json([tool.to_openai() for tool in spec.tools]),
        "policy.md": f"# {spec.title}\n\n{spec.policy}\n",
        "certificate.json": _json(certificate),
    }


def tools_py(spec: EnvironmentSpec) -> str:
    """All tools as one Python file, two lines between functions."""
    head = f'"""The tools of «{spec.title}», in the tool language (a subset of Python)."""\n'
    return "\n\n".join([head, *(tool.code for tool in spec.tools)])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

"""Works that break the limits of a process apart: what `run_apart` is tried on."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import apsw

from rayscaler.environments.database import Database
from rayscaler.environments.language import CheckedTool, compile_tool

ESCAPES = {
    "read a file": lambda: Path("/etc/passwd").read_text(encoding="utf-8"),
    "read by descriptor": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "write a file": lambda: Path("owned").write_text("x", encoding="utf-8"),
    "list a folder": lambda: list(Path("/").iterdir()),
    "open a file in C, which no audit sees": lambda: apsw.Connection("owned.db").execute("CREATE TABLE t (x)"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "fork": os.fork,
    "start a process": lambda: subprocess.run(["/bin/true"], check=True),
    "end another process": lambda: os.kill(os.getppid(), 9),
}


class Hog:
    """Does what its payload names."""

    def __init__(self, payload: str) -> None:
        self.run = getattr(self, f"_{payload}")

    def _echo(self) -> Any:
        return {"pid": os.getpid(), "secret": os.environ.get("SECRET"), "sum": sum(range(10))}

    def _escape(self) -> dict[str, str]:
        return {name: _tried(attempt) for name, attempt in ESCAPES.items()}

    def _big_integer(self) -> int:
        return int((3 ** (10**9)).bit_length())

    def _grow(self) -> int:
        return len(["x" * 2**20 for _ in range(10_000)])

    def _sleep(self) -> None:
        time.sleep(60)

    def _say_much(self) -> str:
        return "x" * (40 * 2**20)

    def _crash(self) -> None:
        os.abort()

    def _unchecked_tool(self) -> Any:
        """A tool as no check lets it through: what stands when the check has a hole."""
        source = "def attack(db):\n    x = [0]\n    while True:\n        x = x + x\n"
        function = compile_tool(CheckedTool("attack", source, (), (), ast.parse(source)))
        return function(Database.__new__(Database))


def _tried(attempt: Any) -> str:
    try:
        attempt()
    except Exception as error:
        return type(error).__name__
    return "done"

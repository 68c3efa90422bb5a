"""A GCS server on loopback (gcp-storage-emulator) that fails where the name of an object says so.

    python gcs_server.py          prints its port, and serves until it is killed

`answer-503-x2` in a name: the first two requests for it are answered with 503. `cut-x1`: the first upload of it is cut
off in the middle of its body. A process of its own: pyarrow asks for a file's size without letting go of Python.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

BUCKET = "bucket"
RETRY_S = 2
"""How long the client tries by itself."""


@contextmanager
def gcs_server() -> Iterator[int]:
    """The server for the time of the block; gives its port."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=30)


def uri(port: int, folder: str, bucket: str = BUCKET) -> str:
    """A folder of the server's bucket, for a client without credentials."""
    server = f"scheme=http&endpoint_override=127.0.0.1:{port}&retry_limit_seconds={RETRY_S}"
    return f"gs://anonymous@{bucket}/{folder}?{server}"


def main() -> None:
    from gcp_storage_emulator.handlers import buckets
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    asked: Counter[str] = Counter()

    class Faulty(RequestHandler):  # type: ignore[misc]
        def parse_request(self) -> bool:
            return bool(super().parse_request()) and not self._fails()

        def _fails(self) -> bool:
            found = re.search(r"answer-(\d+)-x(\d+)|cut-x(\d+)", self.path)
            if found is None or (found[3] and self.command != "PUT"):
                return False
            asked[found[0]] += 1
            if asked[found[0]] > int(found[2] or found[3]):
                return False
            if found[1]:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_error(int(found[1]))
            else:
                self.rfile.read(int(self.headers["Content-Length"]) // 4)
            self.close_connection = True
            return True

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(BUCKET, storage)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Faulty, storage))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

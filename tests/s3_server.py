"""A real S3 server on loopback (moto's server mode) that can be told to fail, to be slow and to cut connections.

The faults are injected between the HTTP server and moto, so that the client sees real answers and real broken sockets.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs

Environ = dict[str, Any]
Answer = Iterable[bytes]
Fault = Callable[[Environ, Callable[..., Any]], Answer | None]

ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>injected</Message></Error>"
BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
"""Any will do."""


class S3Server:
    """The server, its requests so far (`PUT /bucket/key?query`), and the faults that it has been given."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._faults: list[Fault] = []
        self._one_at_a_time = threading.Lock()
        import moto.server  # half a second, which tests without a bucket need not wait for
        from werkzeug.serving import make_server

        self._moto = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
        self._http = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        pafs.FileSystem.from_uri(f"{self.uri('')}&allow_bucket_creation=true")[0].create_dir(BUCKET)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    def uri(self, folder: str, bucket: str = BUCKET) -> str:
        return f"s3://{bucket}/{folder}?endpoint_override={self.address}&scheme=http&region=us-east-1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def demand_known_credentials(self, wanted: bool) -> None:
        """From now on check access keys (moto knows none, so each is wrong), or take any again."""
        url, count = f"http://{self.address}/moto-api/reset-auth", b"0" if wanted else b"inf"
        urllib.request.urlopen(urllib.request.Request(url, count, {"Content-Type": "text/plain"})).close()

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Ask `fault` for the answer to each request first, for the time of the block."""
        self._faults.append(fault)
        try:
            yield
        finally:
            self._faults.remove(fault)

    def _answer(self, environ: Environ, start: Callable[..., Any]) -> Answer:
        query = environ["QUERY_STRING"]
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{'?' if query else ''}{query}")
        for fault in self._faults:
            answer = fault(environ, start)
            if answer is not None:
                return answer
        with self._one_at_a_time:   # moto answers two requests at once with an internal error now and then
            return [b"".join(self._moto(environ, start))]


def error_500(when: Callable[[Environ], bool], *, times: int) -> Fault:
    """The first `times` requests that fit are answered with an internal error."""
    left = [times]

    def fault(environ: Environ, start: Callable[..., Any]) -> Answer | None:
        if not when(environ) or not left[0]:
            return None
        left[0] -= 1
        while writes(environ) and environ["wsgi.input"].read(2**20):
            pass
        start("500 Internal Server Error", [("Content-Type", "application/xml")])
        return [ERROR % b"InternalError"]

    return fault


def cut_body(when: Callable[[Environ], bool], *, after: int) -> Fault:
    """Requests that fit lose their connection when `after` bytes of their body have arrived."""

    def fault(environ: Environ, start: Callable[..., Any]) -> Answer | None:
        if not when(environ):
            return None
        environ["wsgi.input"].read(after)
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionError("injected")

    return fault


def slow_reads(server: S3Server, *, pause_s: float) -> Fault:
    """Every object comes in small pieces with pauses between them."""

    def fault(environ: Environ, start: Callable[..., Any]) -> Answer | None:
        if environ["REQUEST_METHOD"] != "GET" or environ["QUERY_STRING"]:
            return None
        body = b"".join(server._moto(environ, start))

        def pieces() -> Iterator[bytes]:
            for begin in range(0, len(body), 1 + len(body) // 8):
                time.sleep(pause_s)
                yield body[begin : begin + 1 + len(body) // 8]

        return pieces()

    return fault


def writes(environ: Environ) -> bool:
    """Whether a request sends an object or a part of one."""
    return environ["REQUEST_METHOD"] == "PUT"


def silence() -> None:
    """The server's own log is of no use to a test."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)

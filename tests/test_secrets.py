"""A planted key of a model's server and a planted key of a bucket are nowhere in what a run writes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
import yaml

from rayscaler.runtime.store import Store
from s3_server import BUCKET, S3Server

ROOT = Path(__file__).parents[1]

PLANTED = {"RAYSCALER_TEST_KEY": "sk-planted-4e1f0c77a2", "AWS_SECRET_ACCESS_KEY": "planted-s3-9b2d61f0e3"}

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


class Echo(BaseHTTPRequestHandler):
    """A server that knows its model and refuses every call, with the key that it was sent in its answer."""

    def do_GET(self) -> None:
        model = {"id": "fake", "object": "model", "created": 0, "owned_by": "x"}
        self._answer(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(403, {"error": {"message": f"refused: {self.headers['Authorization']}", "type": "denied"}})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_planted_keys_are_in_no_table_record_journal_log_or_ray_session(echo: str, tmp_path: Path):
    values = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
    values["ingest"]["sources"] = [{"package": "google-api-python-client", "apis": ["tasks"]}]
    values["materialize"], values["compose"] = {"min_tools": 3}, {"tasks": 2, "attempts": 20}
    agent = {"kind": "openai", "model": "fake", "base_url": echo, "api_key_env": "RAYSCALER_TEST_KEY"}
    values["rollout"] = {"agent": agent}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    session = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))     # short: Ray's sockets have a length limit
    s3 = S3Server()
    run = s3.uri("run")
    environment = {
        **os.environ, **PLANTED, "AWS_ACCESS_KEY_ID": "planted-id", "AWS_EC2_METADATA_DISABLED": "true",
        "RAY_ADDRESS": "local", "RAY_TMPDIR": str(session),
    }  # fmt: skip
    job = str(ROOT / "jobs" / "run.py")
    command = [sys.executable, job, "--config", str(config), "--run", run, "--until", "filter"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, env=environment,
                              cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        written = {**objects(s3), "the log": (done.stdout + done.stderr).encode()}
    finally:
        s3.close()
    assert any(name.endswith(".parquet") for name in written)
    assert re.search(rb"refused: Bearer", written_rows(written, "trajectories@"))      # told, without the key
    logs = {str(path): path.read_bytes() for path in session.rglob("*") if path.is_file() and not path.is_socket()}
    assert any("worker-" in name for name in logs)
    everything = {**written, **logs}
    assert [(name, key) for name, data in everything.items() for key in PLANTED.values() if key.encode() in data] == []


def objects(s3: S3Server) -> dict[str, bytes]:
    """Every object of the bucket; a Parquet file as the JSON of its rows and its metadata."""
    fs = pafs.S3FileSystem(
        access_key="a", secret_key="b", endpoint_override=s3.address, scheme="http", region="us-east-1"
    )
    infos = fs.get_file_info(pafs.FileSelector(BUCKET, recursive=True))
    files = {info.path: fs.open_input_file(info.path).read() for info in infos if info.type == pafs.FileType.File}
    return {name: _unpacked(name, data) for name, data in files.items()}


def _unpacked(name: str, data: bytes) -> bytes:
    if not name.endswith(".parquet"):
        return data
    table = pq.read_table(io.BytesIO(data))
    return json.dumps(table.to_pylist(), default=str).encode() + str(table.schema.metadata).encode()


def written_rows(written: dict[str, bytes], table: str) -> bytes:
    return b"".join(data for name, data in written.items() if table in name)


def test_a_store_that_travels_to_workers_carries_no_credentials(monkeypatch: pytest.MonkeyPatch):
    import pickle

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED["AWS_SECRET_ACCESS_KEY"])
    store = Store("s3://bucket/run?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1")
    assert store.place.root == "bucket/run"
    assert PLANTED["AWS_SECRET_ACCESS_KEY"].encode() not in pickle.dumps(store)

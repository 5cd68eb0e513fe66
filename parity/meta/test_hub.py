"""Models of the hub, against a hub of our own on this machine: fetched after it was said, or one clear line."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steering_core.errors import LoadProblem
from steering_core.models.hub import explained
from steering_core.places import FIXTURES, ROOT

CHECKPOINT = FIXTURES / "checkpoints" / "tiny_qwen2"
COMMIT = "0" * 39 + "1"
PROGRAM = """
import sys
from steering_core.models.hub import cached_folder, fetch
from steering_core.errors import LoadProblem
try:
    print(fetch("mine", sys.argv[1], sys.argv[2], lambda line: print(line, file=sys.stderr)))
    print(cached_folder(sys.argv[1], sys.argv[2]))
except LoadProblem as problem:
    print(problem)
"""


class Hub(BaseHTTPRequestHandler):
    """One open repository, one gated and one private one; what the client asks of the real hub."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def answer(self) -> None:
        if "owner/gated" in self.path and "auth-check" in self.path:
            self.say(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif "owner/open" not in self.path:
            self.say(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif "/revision/v9" in self.path:
            self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif self.path.startswith("/api/"):
            self.say(200, json.dumps(self.described()).encode(), {"Content-Type": "application/json"})
        else:
            raw = (CHECKPOINT / self.path.rpartition("/")[2]).read_bytes()
            self.say(200, raw, {"X-Repo-Commit": COMMIT, "ETag": f'"{sha256(raw).hexdigest()}"'})

    def described(self) -> Any:
        files = [{"path": path.name, "size": path.stat().st_size} for path in sorted(CHECKPOINT.iterdir())]
        if "/tree/" in self.path:
            return [{"type": "file", "oid": "0" * 40, **file} for file in files]
        siblings = [{"rfilename": file["path"], "size": file["size"]} for file in files]
        return {"id": "owner/open", "sha": COMMIT, "siblings": siblings}

    def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def client(endpoint: str, cache: Path, source: str, revision: str = "main", **more: str) -> tuple[list[str], str]:
    """What a process with an empty cache prints, and what it says first on stderr."""
    environment = {**os.environ, "HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", **more}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, revision], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_a_model_is_fetched_after_it_was_said(endpoint: str, tmp_path: Path) -> None:
    (fetched, found), said = client(endpoint, tmp_path, "owner/open")

    assert said.startswith(f"mine: downloading owner/open@main (0.0 GB in 1 files) from {endpoint}")
    assert fetched == found
    assert Path(fetched).name == COMMIT
    names = {path.name for path in CHECKPOINT.iterdir()}
    assert {path.name for path in Path(fetched).iterdir()} == names
    weights = "model.safetensors"
    assert (Path(fetched) / weights).read_bytes() == (CHECKPOINT / weights).read_bytes()


REFUSED = {
    "gated": ("owner/gated", "main", {}, "owner/gated is gated (no-checkpoint); accept the license on its page and log in"),
    "private": ("owner/none", "main", {}, "owner/none does not exist, or is private"),
    "revision": ("owner/open", "v9", {}, "owner/open has no revision 'v9'"),
    "offline": ("owner/open", "main", {"HF_HUB_OFFLINE": "1"}, "and HF_HUB_OFFLINE is set (no-checkpoint); give --model-path"),
    "no network": ("owner/open", "main", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be reached: "),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_had_is_one_clear_line(endpoint: str, tmp_path: Path, name: str) -> None:
    source, revision, environment, words = REFUSED[name]

    lines, _ = client(endpoint, tmp_path, source, revision, **environment)

    assert len(lines) == 1
    assert words in lines[0]
    assert "--model-path mine=DIR, or --random-weights" in lines[0]


def test_any_other_failure_keeps_its_first_line() -> None:
    problem = explained("mine", "a/b", "main", OSError("disk full\nand more"))

    assert isinstance(problem, LoadProblem)
    assert str(problem).count("\n") == 0
    assert "disk full" in str(problem)

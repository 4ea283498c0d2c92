"""Archives of model hubs: where a handle leads, and what is unpacked."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from retailor.errors import DataError, ModelError
from retailor.models.formats import archives
from retailor.models.formats.archives import HANDLE, archive_url, fetch_archive, unpack
from retailor.models.weights import load_model
from retailor.plan.main_job import _model_key
from retailor.plan.settings import make_plan


def packed(path: Path, files: dict[str, bytes], link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            made.addfile(about, io.BytesIO(data))
        if link is not None:
            about = tarfile.TarInfo("saved_model.pb")
            about.type, about.linkname = tarfile.SYMTYPE, link
            made.addfile(about)
    return path


@pytest.mark.parametrize(
    ("handle", "url"),
    [
        (
            "tfhub:google/nnlm-en-dim128/2",
            "https://tfhub.dev/google/nnlm-en-dim128/2?tf-hub-format=compressed",
        ),
        ("https://tfhub.dev/google/x/4", "https://tfhub.dev/google/x/4?tf-hub-format=compressed"),
        (
            "https://www.kaggle.com/models/google/use/frameworks/tensorFlow2/variations/large/versions/2",
            "https://www.kaggle.com/api/v1/models/google/use/tensorFlow2/large/2/download",
        ),
        (
            "https://www.kaggle.com/models/google/use/tensorFlow2/large/2",
            "https://www.kaggle.com/api/v1/models/google/use/tensorFlow2/large/2/download",
        ),
        ("tfhub:https://models.example/use.tar.gz", "https://models.example/use.tar.gz"),
    ],
)
def test_where_a_handle_leads(handle: str, url: str) -> None:
    assert HANDLE.fullmatch(handle) and archive_url(handle) == url


@pytest.mark.parametrize(
    "handle", ["tfhub:", "tfhub:http://models.example/a.tar.gz", "tfhub:file:///etc/passwd", "tfhub:x"]
)
def test_what_is_no_handle_is_said(handle: str) -> None:
    with pytest.raises(ModelError, match="is no handle of a model"):
        load_model(handle)


def test_a_plan_knows_an_archive_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "use.tar.gz").write_bytes(b"one")
    plan = make_plan({"models": {"encoder": "use.tar.gz"}}, tmp_path)
    assert plan.model("use.tar.gz") == str(tmp_path / "use.tar.gz")
    assert plan.settled().sections["models"].encoder == str(tmp_path / "use.tar.gz")
    before = _model_key(plan, "use.tar.gz")
    (tmp_path / "use.tar.gz").write_bytes(b"two")
    assert before != _model_key(plan, "use.tar.gz") and _model_key(plan, "tfhub:a/b/1") == "tfhub:a/b/1"


@pytest.fixture
def hub() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 200 if self.path == "/use.tar.gz" else 404
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"x" * 1000)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_archive_is_fetched_within_bounds_or_said_why_not(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "archive_url", lambda handle: f"{hub}/{handle}")
    assert fetch_archive("use.tar.gz", tmp_path / "a").stat().st_size == 1000
    with pytest.raises(
        ModelError, match=r"did not give 'gone' \(HTTP Error 404.*name its file \(model\.tar\.gz\)"
    ):
        fetch_archive("gone", tmp_path / "b")
    monkeypatch.setattr(archives, "MAX_BYTES", 500)
    with pytest.raises(ModelError, match="more than 500 bytes"):
        fetch_archive("use.tar.gz", tmp_path / "c")
    with pytest.raises(ValueError, match="without encryption"):
        archives._StaysSecure().redirect_request(
            archives.urllib.request.Request("https://hub.example/a"), None, 302, "", {}, "http://x.example/"
        )


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    unpack(packed(tmp_path / "a.tgz", {"./saved_model.pb": b"1", "variables/a": b"22"}), tmp_path / "out")
    assert (tmp_path / "out/saved_model.pb").read_bytes() == b"1"
    assert (tmp_path / "out/variables/a").read_bytes() == b"22"


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no file below its folder"):
        unpack(packed(tmp_path / "a.tgz", {name: b"1"}), tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.tgz"]


def test_links_bombs_and_what_is_no_archive_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="no file below its folder"):
        unpack(packed(tmp_path / "a.tgz", {}, link="/etc/passwd"), tmp_path / "out")
    whole = packed(tmp_path / "b.tgz", {"a": b"1" * 100_000, "b": bytes(range(256)) * 400}).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.tgz").write_bytes(whole[:40] + b"xxxx" + whole[44:])
    (tmp_path / "text.tgz").write_text("no archive")
    for name in ("cut", "broken", "text"):
        with pytest.raises(DataError, match="cut off or corrupt"):
            unpack(tmp_path / f"{name}.tgz", tmp_path / name)
    monkeypatch.setattr(archives, "MAX_BYTES", 50_000)
    with pytest.raises(DataError, match="unpacks to more"):
        unpack(tmp_path / "b.tgz", tmp_path / "bomb")
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    with pytest.raises(DataError, match="unpacks to more than 1 files"):
        unpack(packed(tmp_path / "c.tgz", {"a": b"", "b": b""}), tmp_path / "many")
    with pytest.raises(DataError, match="no such archive"):
        load_model(tmp_path / "nowhere.tar.gz", kind="encoder")

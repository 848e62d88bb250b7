import gzip
import shutil
import socket
import sys
import threading
import time
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wdualmine.data import cache_folder, fetch, find_data, verify
from wdualmine.data.manifest import NetworkFile, file_sha256, read_networks
from wdualmine.errors import WdualmineError


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] += 1
        if self.server.circle:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif self.server.failures.get(self.path, 0):
            self.server.failures[self.path] -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tiny, tmp_path):
    """A web server over a copy of the tiny data; ``failures`` counts how often a path is to fail."""
    folder = shutil.copytree(tiny, tmp_path / "mirror")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    server.asked, server.failures, server.circle, server.folder = Counter(), {}, False, folder
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_fetches_what_is_listed_and_find_data_uses_it(mirror, tiny, monkeypatch, capfd):
    monkeypatch.setenv("WDUALMINE_DATA_URL", mirror.url + "/")
    result = fetch(published=True)
    assert (result.root, result.fetched, result.kept) == (cache_folder() / "harvard", 48, 0)
    assert files(cache_folder()) == files(tiny)
    assert verify(result.root).ok
    assert (find_data().kind, find_data().name) == ("cache", "harvard")
    assert capfd.readouterr() == ("", "")
    fetch(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""  # no terminal, no minute


def test_some_tasks_to_another_place(mirror, tmp_path):
    result = fetch(["CT-MRI"], tmp_path / "there", base_url=mirror.url)
    assert (result.root, result.fetched) == (tmp_path / "there" / "harvard", 10)
    assert find_data(tmp_path / "there").tasks == ("ct-mri",)
    assert not cache_folder().exists()


def test_goes_on_where_it_stopped(mirror):
    fetch(["ct-mri"], base_url=mirror.url)
    root = cache_folder() / "harvard"
    (root / "CT-MRI/test/CT/2010.png").unlink()
    (root / "CT-MRI/test/MRI/2010.png").write_bytes(b"altered here")
    # What a killed process leaves: its staging folder with a file cut short.
    stale = cache_folder() / ".partial-abc" / "harvard/CT-MRI/test/CT"
    stale.mkdir(parents=True)
    (stale / "2010.png").write_bytes(b"half")
    mirror.asked.clear()
    result = fetch(["ct-mri"], base_url=mirror.url)
    assert (result.fetched, result.kept) == (2, 8)
    assert set(mirror.asked) == {f"/harvard/CT-MRI/test/{m}/2010.png" for m in ("CT", "MRI")}
    assert verify(root, ["ct-mri"]).ok
    assert not list(cache_folder().glob(".partial*"))


def test_altered_on_the_server(mirror):
    path = "harvard/PET-MRI/test/PET/16011.png"
    (mirror.folder / path).write_bytes((mirror.folder / path).read_bytes()[:-1] + b"?")
    with pytest.raises(WdualmineError, match=r"PET-MRI/test/PET/16011\.png: .* does not have the SHA-256"):
        fetch(base_url=mirror.url, retries=0)
    assert path not in files(cache_folder())
    assert not [name for name in files(cache_folder()) if not name.endswith(".png") or ".partial" in name]
    report = verify(cache_folder() / "harvard")
    assert not report.altered
    assert not report.extra
    shutil.copyfile(mirror.folder / "../tiny" / path, mirror.folder / path)
    assert fetch(base_url=mirror.url).fetched == len(report.missing)
    assert verify(cache_folder() / "harvard").ok


def test_cut_short_on_the_server_keeps_the_file_that_was_there(mirror):
    fetch(["ct-mri"], base_url=mirror.url)
    name = "harvard/CT-MRI/test/CT/2010.png"
    (cache_folder() / name).write_bytes(b"mine")
    (mirror.folder / name).write_bytes(b"")
    with pytest.raises(WdualmineError, match=r"CT/2010\.png"):
        fetch(["ct-mri"], base_url=mirror.url, retries=0)
    assert (cache_folder() / name).read_bytes() == b"mine"


def test_tries_again(mirror):
    mirror.failures["/harvard/CT-MRI/test/CT/2010.png"] = 1
    assert fetch(["ct-mri"], base_url=mirror.url, retries=1).fetched == 10
    assert mirror.asked["/harvard/CT-MRI/test/CT/2010.png"] == 2


def test_networks_come_alone_and_as_safely(mirror, monkeypatch):
    module = sys.modules[fetch.__module__]
    weights = mirror.folder / "networks/one/a.model"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    listed = NetworkFile("one", "one/a.model", "a/b", "c0ffee", "d/a.model", "MIT", 7, file_sha256(weights))
    assert listed.url == "https://raw.githubusercontent.com/a/b/c0ffee/d/a.model"
    monkeypatch.setattr(module, "read_networks", lambda: {"one": listed})
    result = fetch(networks=True, base_url=mirror.url)
    assert (result.root, result.fetched, result.kept) == (cache_folder() / "networks", 1, 0)
    assert files(cache_folder()) == {"networks/one/a.model"}
    assert fetch(networks=True, base_url=mirror.url).kept == 1
    (cache_folder() / "networks/one/a.model").unlink()
    weights.write_bytes(b"altered")
    with pytest.raises(WdualmineError, match=r"one/a\.model: .* does not have the SHA-256"):
        fetch(networks=True, base_url=mirror.url, retries=0)
    weights.unlink()
    with pytest.raises(WdualmineError, match=r"answered 404.*WDUALMINE_NETWORKS to a folder"):
        fetch(networks=True, base_url=mirror.url, retries=0)


def test_the_authors_networks_are_listed_with_commit_and_license():
    listed = read_networks()
    assert set(listed) == {"densefuse", "ifcnn", "sdnet", "u2fusion"}
    for system, file in listed.items():
        assert file.path.startswith(f"{system}/")
        assert (len(file.commit), len(file.sha256)) == (40, 64)
    assert {system for system, file in listed.items() if file.license != "none"} == {"sdnet"}


def test_redirected_in_a_circle(mirror):
    mirror.circle = True
    with pytest.raises(WdualmineError, match="is redirected without end; set WDUALMINE_DATA_URL"):
        fetch(["ct-mri"], base_url=mirror.url)


def test_missing_on_the_server(mirror):
    (mirror.folder / "harvard/CT-MRI/test/CT/2010.png").unlink()
    with pytest.raises(WdualmineError, match=r"CT-MRI/test/CT/2010\.png: .*the server answered 404"):
        fetch(["ct-mri"], base_url=mirror.url, retries=0)


def test_offline_says_what_to_do(tiny):
    with pytest.raises(WdualmineError, match=r"no connection .*set WDUALMINE_DATA .*'phantom'") as caught:
        fetch(base_url="http://127.0.0.1:9", retries=0)
    assert "\n" not in str(caught.value)
    assert files(cache_folder()) == set()


def test_address_that_is_none(tiny):
    with pytest.raises(WdualmineError, match="cannot be fetched"):
        fetch(base_url="not an address", retries=0)


def test_destination_that_cannot_be_written(mirror, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WdualmineError, match="file: cannot be written"):
        fetch(destination=tmp_path / "file", base_url=mirror.url)


def test_unknown_task_fetches_nothing(mirror):
    with pytest.raises(WdualmineError, match="unknown task"):
        fetch(["ct-mri", "mri-ct"], base_url=mirror.url)
    assert not mirror.asked


def test_two_at_once(mirror):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(["ct-mri"], base_url=mirror.url)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.fetched for result in results) == [0, 10]
    assert max(mirror.asked.values()) == 1


def serve(answer):
    """A server that answers each connection with what a function gives, in threads of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    sizes = []

    def loop():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection):
        with connection:
            connection.recv(2**16)
            sizes.append(0)
            try:
                for part in answer():
                    connection.sendall(part)
                    sizes[-1] += len(part)
            except OSError:
                pass

    threading.Thread(target=loop, daemon=True).start()
    return listener, sizes


def forever(part, pause=0.0):
    while True:
        yield part
        time.sleep(pause)


HEAD = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(gzip.compress(bytes(2**26)))


def endless():
    yield HEAD + b"\r\n"
    yield from forever(bytes(2**16))


def chunks():
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from forever(b"10000\r\n" + bytes(2**16) + b"\r\n")


def bomb():
    yield HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB


def too_long():
    yield HEAD + b"Content-Length: 9999999999\r\n\r\n"
    yield from forever(b"x", 0.05)


def drip():
    yield HEAD + b"Content-Length: 50\r\n\r\n"
    yield from forever(b"x", 0.1)


def drip_of_headers():
    yield HEAD + b"X: "
    yield from forever(b"x", 0.1)


def silent():
    time.sleep(60)
    yield b""


def silent_body():
    yield HEAD + b"Content-Length: 50\r\n\r\n"
    time.sleep(60)


def garbage():
    yield b"\0\1\2 no protocol \r\n\r\n" * 9


def closed():
    yield b""


def circle():
    yield b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (endless, "sends more than"),
        (chunks, "sends more than"),
        (bomb, "sends more than|does not have the SHA-256"),
        (too_long, "sends more than"),
        (drip, "too slow"),
        (drip_of_headers, "too slow"),
        (silent, "silent|too slow"),
        (silent_body, "no connection|silent|too slow"),
        (garbage, "no connection"),
        (closed, "no connection"),
        (circle, "redirected without end|no connection|too slow"),
    ],
    ids=lambda value: getattr(value, "__name__", "reason"),
)
def test_a_server_that_does_harm_is_left_in_time(tiny, monkeypatch, answer, reason):
    module = sys.modules[fetch.__module__]  # the package has a function of its name
    monkeypatch.setattr(module, "SILENCE", 0.5)
    monkeypatch.setattr(module, "PATIENCE", 1.5)
    listener, sizes = serve(answer)
    started = time.monotonic()
    try:
        with pytest.raises(WdualmineError, match=reason) as caught:
            fetch(["ct-mri"], base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", retries=1, workers=2)
    finally:
        listener.close()
    assert time.monotonic() - started < 20
    assert "\n" not in str(caught.value)
    assert max(sizes, default=0) < 2**24  # what lies in the buffers of two sockets
    assert files(cache_folder()) == set()

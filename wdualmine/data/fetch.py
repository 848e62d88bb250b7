"""Downloading the data set: each file verified against the manifest, none ever half-written."""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

from wdualmine.data.cache import cache_folder, staging
from wdualmine.data.manifest import (
    HARVARD,
    NETWORKS,
    PUBLISHED,
    Entry,
    NetworkFile,
    collections,
    is_intact,
    read_manifest,
    read_networks,
)
from wdualmine.data.tasks import TASKS, Task
from wdualmine.errors import WdualmineError
from wdualmine.progress import task_bar

#: Environment variable that names a mirror to fetch from.
URL_VARIABLE = "WDUALMINE_DATA_URL"
#: Seconds until a server that says nothing is given up.
SILENCE = 20
#: Any download, of one file or of all, may take so many seconds, and one more for each :data:`SLOWEST` bytes.
PATIENCE = 60
SLOWEST = 20_000
_CHUNK = 2**16


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` did."""

    #: the folder of the source pairs (or the networks); give it as WDUALMINE_DATA (WDUALMINE_NETWORKS) unless
    #: it is in the cache
    root: Path
    fetched: int  #: number of files downloaded
    kept: int  #: number of files that were there already, intact


@dataclass(frozen=True)
class _Job:
    path: str  # below the destination
    entry: Entry | NetworkFile
    url: str


def fetch(
    tasks: Iterable[str | Task] | None = None,
    destination: str | Path | None = None,
    published: bool = False,
    base_url: str | None = None,
    progress: bool = False,
    workers: int = 8,
    retries: int = 3,
    networks: bool = False,
) -> Fetched:
    """Download the pairs of some tasks, or all, and check every file's SHA-256.

    Files that are there and intact are kept, so that a fetch that was cut off goes on where it stopped.

    Args:
        tasks: the tasks; all by default.
        destination: a folder that gets ``harvard/<task>/<split>/<modality>/<name>.png`` and
            ``published/<method>/<task>/<name>.png``; by default the cache, where :func:`find_data` looks.
        published: fetch the fused images that AdaFuse and ASFE-Fusion published, too.
        base_url: a mirror with the destination's layout (any web server over a fetched folder is one); by
            default WDUALMINE_DATA_URL, else the public repositories at their pinned commits.
        progress: show a progress bar on standard error.
        workers: number of files downloaded at once.
        retries: how often a failed download is tried again.
        networks: instead of pairs, fetch the authors' weights of other networks, into
            ``networks/<system>/<file>``.

    Raises:
        WdualmineError: a file cannot be fetched in time or written, or differs; those before it are kept.
    """
    destination = Path(destination).expanduser() if destination is not None else cache_folder()
    if networks:
        jobs = [_Job(f"{NETWORKS}/{file.path}", file, file.url) for file in read_networks().values()]
    else:
        chosen = list(TASKS if tasks is None else tasks)
        folders = {HARVARD: HARVARD, **{name: f"published/{name}" for name in PUBLISHED}}
        jobs = [
            _Job(f"{folders[name]}/{entry.path}", entry, collection.url(entry.path))
            for name, collection in collections().items()
            if name == HARVARD or published
            for entry in read_manifest(name, chosen)
        ]
    if base := base_url or os.environ.get(URL_VARIABLE):
        jobs = [replace(job, url=f"{base.rstrip('/')}/{job.path}") for job in jobs]
    with staging(destination) as temporary, ThreadPoolExecutor(workers) as pool:
        intact = pool.map(lambda job: is_intact(destination / job.path, job.entry), jobs)
        wanted = [job for job, there in zip(jobs, intact, strict=True) if not there]
        with task_bar("fetch", len(wanted), progress) as advance:
            if wanted:
                _download(wanted, (temporary, destination), pool, retries, advance)
    return Fetched(destination / (NETWORKS if networks else HARVARD), len(wanted), len(jobs) - len(wanted))


def _download(
    jobs: list[_Job], folders: tuple[Path, Path], pool: ThreadPoolExecutor, retries: int, advance: Callable
) -> None:
    """Download files into the first of two folders, and rename each into the second."""
    temporary, destination = folders
    import pooch

    pooch.get_logger().setLevel("ERROR")  # a line a file would drown the progress bar
    store = pooch.create(
        path=temporary,
        base_url="",
        registry={job.path: f"sha256:{job.entry.sha256}" for job in jobs},
        urls={job.path: job.url for job in jobs},
        retry_if_failed=retries,
    )
    all_by = _deadline(sum(job.entry.bytes for job in jobs))
    for root, job in product(folders, jobs):  # pooch's own making is not safe in threads
        (root / job.path).parent.mkdir(parents=True, exist_ok=True)

    def get(job: _Job) -> None:
        get_one = _Download(job.entry.bytes, min(all_by, _deadline(job.entry.bytes)))
        private = Path(store.fetch(job.path, downloader=get_one))
        fetched = private.with_suffix(".fetched")
        fetched.write_bytes(private.read_bytes())  # a new file, with permissions by the umask
        fetched.replace(destination / job.path)
        advance()

    futures = {pool.submit(get, job): job for job in jobs}
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        for future in futures:
            future.cancel()
    for future, job in futures.items():
        if not future.cancelled() and (error := future.exception()):
            raise _explain(error, job) from error


def _deadline(size: int) -> float:
    return time.monotonic() + PATIENCE + size / SLOWEST


@dataclass(frozen=True)
class _Download:
    """What pooch calls to download a file: never more bytes than the manifest has, and never later.

    Bytes are taken as they come and not unpacked, so that no few of them can become many.
    """

    size: int
    by: float

    def __call__(self, url: str, output: str, _: Any) -> None:
        answer: Future[None] = Future()

        def get() -> None:
            try:
                self._get(url, output)
                answer.set_result(None)
            except BaseException as error:
                answer.set_exception(error)

        # In a thread that can be left behind: no timeout of a socket ends a server that drips its headers.
        Thread(target=get, daemon=True).start()
        if wait([answer], self._seconds_left()).not_done:
            raise _TooLateError
        answer.result()

    def _get(self, url: str, output: str) -> None:
        from requests import Session
        from requests.exceptions import ConnectionError as BrokenOff
        from urllib3.exceptions import HTTPError

        with Session() as session:
            session.max_redirects = 5
            session.headers["Accept-Encoding"] = "identity"
            silence = min(SILENCE, self._seconds_left())
            with session.get(url, stream=True, timeout=silence) as response, Path(output).open("wb") as file:
                response.raise_for_status()
                declared = response.headers.get("Content-Length", "")
                left = self.size
                if declared.isdecimal() and int(declared) > left:
                    raise _TooLargeError
                try:
                    while chunk := response.raw.read1(_CHUNK, decode_content=False):
                        left -= len(chunk)
                        if left < 0:
                            raise _TooLargeError
                        file.write(chunk)
                        self._seconds_left()
                except HTTPError as error:  # which pooch does not try again
                    raise BrokenOff(error) from error

    def _seconds_left(self) -> float:
        left = self.by - time.monotonic()
        if left <= 0:
            raise _TooLateError
        return left


class _TooLargeError(Exception):
    """A server sends more than the manifest lists."""


class _TooLateError(Exception):
    """A deadline has passed."""


def _explain(error: BaseException, job: _Job) -> WdualmineError:
    from requests.exceptions import HTTPError, RequestException, Timeout, TooManyRedirects

    if isinstance(error, _TooLargeError):
        reason = f"the server sends more than the {job.entry.bytes} bytes of the manifest"
    elif isinstance(error, _TooLateError):
        reason = "the server is too slow"
    elif isinstance(error, HTTPError) and error.response is not None:
        reason = f"the server answered {error.response.status_code}"
    elif isinstance(error, TooManyRedirects):
        remedy = f"set {URL_VARIABLE} to another mirror, or leave it unset"
        return WdualmineError(f"{job.entry.path}: {job.url} is redirected without end; {remedy}")
    elif isinstance(error, Timeout):
        reason = "the server is silent"
    elif isinstance(error, RequestException):
        reason = f"no connection ({type(error).__name__})"
    elif isinstance(error, ValueError):  # pooch, at a hash that differs
        return WdualmineError(
            f"{job.entry.path}: {job.url} does not have the SHA-256 of the manifest (altered, or cut short "
            "on the way); run it again, or fetch from another mirror"
        )
    else:
        return WdualmineError(f"{job.path}: cannot be written ({error}); make room or choose another folder")
    pairs = isinstance(job.entry, Entry)
    what = "DATA to a folder with the pairs, or use 'phantom'" if pairs else "NETWORKS to a folder with them"
    return WdualmineError(
        f"{job.entry.path}: {job.url} cannot be fetched, {reason}; check the network and run it again "
        f"(it goes on where it stopped), or set WDUALMINE_{what}"
    )

"""Publishing: the workflows are sound, and the book is joined into one document without losing anything."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def pdf() -> ModuleType:
    """The script book/pdf.py."""
    pytest.importorskip("bs4")
    return load_script(ROOT / "book" / "pdf.py")


def steps(job: dict[str, Any]) -> list[str]:
    """The shell commands of a job."""
    return [step["run"] for step in job.get("steps", []) if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_sound(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow[True], "on: is a truth value in YAML 1.1"
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more says so itself"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert job["runs-on"]
        assert {job["needs"]} <= set(workflow["jobs"]) if "needs" in job else True
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), name
            assert re.fullmatch(r"[\w/-]+@v\d+", step.get("uses", "a/b@v1"))
        for command in steps(job):
            assert subprocess.run(["bash", "-n"], input=command, text=True, check=False).returncode == 0
            assert set(re.findall(r"\bmake (\w+)", command)) <= targets
            assert all((ROOT / script).is_file() for script in re.findall(r"^\.\w+/\w+$", command))


def test_pages_and_release_share_one_book_of_the_phantom() -> None:
    jobs = {path.stem: yaml.safe_load(path.read_text())["jobs"] for path in WORKFLOWS}
    assert jobs["pages"]["book"]["uses"] == jobs["release"]["book"]["uses"] == "./.github/workflows/book.yml"
    assert "make release" in steps(jobs["book"]["book"])
    for path in WORKFLOWS:
        assert not re.search(r"data fetch|PAIRS|WDUALMINE_DATA|actions/cache", path.read_text()), path


def test_help_lists_every_target_for_people() -> None:
    text = (ROOT / "Makefile").read_text()
    shown = set(re.findall(r"\bmake ([a-z]+)", "\n".join(re.findall(r"^# (.*)", text, re.M))))
    assert shown >= {"book", "test", "study", "serve", "pdf", "wheel", "release", "notebooks", "repository"}
    assert shown <= set(re.findall(r"^([a-z]+):", text, re.M))


# ----------------------------------------------------------------------------------------------------
# One document of all pages


def page(body: str) -> str:
    return (
        '<html><head><script>theme()</script><script src="_static/mathjax/tex.js"></script></head><body>'
        f'<div class="bd-article-container"><article class="bd-article">{body}</article><p>next</p></div>'
        "</body></html>"
    )


def test_links_stay_inside_the_joined_document(pdf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "index.html").write_text(page(
        '<h1 id="a">A</h1><a href="runs/b.html#b">to b</a><a href="#a">here</a><a href="runs/b.html">b</a>'
        '<a href="https://host.example/x#y">out</a>'
    ))  # fmt: skip
    (tmp_path / "runs" / "b.html").write_text(page(
        '<h1 id="b">B</h1><img src="../_images/x.png"/><a href="../index.html#a">back</a><i id="a"></i>'
    ))  # fmt: skip
    joined = pdf.join(tmp_path, ["index", "runs/b"])
    assert [tag["href"] for tag in joined.find_all("a")] == [
        "#runs/b:b", "#index:a", "#runs/b:", "https://host.example/x#y", "#index:a",
    ]  # fmt: skip
    assert {tag["id"] for tag in joined.find_all(id=True)} >= {
        "index:",
        "index:a",
        "runs/b:",
        "runs/b:b",
        "runs/b:a",
    }
    assert joined.find("img")["src"] == "_images/x.png"
    assert [heading.text for heading in joined.find_all("h1")] == ["A", "B"]
    assert [script.get("src") for script in joined.find_all("script")] == ["_static/mathjax/tex.js"]
    assert not joined.find("p")


def test_the_book_joins_into_one_document(pdf: ModuleType, built_book: Path) -> None:
    names = pdf.pages()
    joined = pdf.join(built_book, names)
    assert len(joined.select("article.joined")) == len(joined.find_all("h1")) == len(names)
    ids = Counter(tag["id"] for tag in joined.find_all(id=True))
    assert max(ids[tag["id"]] for tag in joined.select("article.joined [id]")) == 1
    for tag in joined.select("article.joined [href], article.joined [src]"):
        url = urlsplit(tag.get("href") or tag["src"])
        if not url.scheme and url.path:
            assert (built_book / unquote(url.path)).exists(), url
        elif not url.scheme:
            assert unquote(url.fragment) in ids, url

"""Compare the numbers of two rendered books: ``python book/compare.py BEFORE_HTML AFTER_HTML``.

Prints, page by page, each number that one of the books has more often than the other. What a second rendering
changes anyway is passed over: times, commits, hashes, versions and machines.
"""

import re
import sys
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
CHANGING = (
    r"\d{4}-\d\d-\d\dT[\d:.+]+",  # times
    r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b",  # commits, hashes
    r"\d+\.\d+\.\w+(?:[.+]\w+)*",  # versions
    r"\d+(?:\.\d+)? ?(?:s|min|h)\b",
)
#: Columns of tables of runs, and rows of that of versions, whose numbers tell a machine and an hour.
COLUMNS = ("Seconds", "Finished", "Commit", "Experiment", "Machine")


def numbers(page: str) -> Counter[str]:
    """Count the numbers in the text of a page, its code left out."""
    soup = BeautifulSoup(page, "html.parser")
    body = soup.find("article") or soup
    hidden = [*body.select("script, style, svg, .cell_input, .headerlink, #versions, .output.stderr")]
    hidden += [cell for name in COLUMNS for cell in body.select(f'td[data-label="{name}"]')]
    for tag in hidden:
        tag.decompose()
    text = body.get_text(" ")
    for pattern in CHANGING:
        text = re.sub(pattern, " ", text)
    return Counter(NUMBER.findall(text.replace("−", "-")))


def differences(before: Path, after: Path) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Return by page the numbers that are gone and those that are new; pages that agree are left out."""
    found = {}
    names = {str(path.relative_to(book)) for book in (before, after) for path in book.rglob("*.html")}
    for name in sorted(names - {"search.html", "genindex.html"}):
        old, new = (
            numbers((book / name).read_text()) if (book / name).is_file() else Counter()
            for book in (before, after)
        )
        if old != new:
            found[name] = old - new, new - old
    return found


def main(arguments: list[str]) -> int:
    """Print the differences; exit code 1 if a number is gone."""
    if len(arguments) != 2 or not all(Path(folder).is_dir() for folder in arguments):
        print("usage: python book/compare.py BEFORE_HTML AFTER_HTML", file=sys.stderr)
        return 2
    before, after = map(Path, arguments)
    found = differences(before, after)
    for name, (gone, new) in found.items():
        for title, counts in (("gone", gone), ("new", new)):
            listed = ", ".join(f"{number} ×{n}" if n > 1 else number for number, n in counts.items())
            print(f"{name}: {title}: {listed or 'nothing'}")
    total = sum(numbers(path.read_text()).total() for path in before.rglob("*.html"))
    print(f"{total} numbers compared; {sum(gone.total() for gone, _ in found.values())} gone")
    return int(any(gone for gone, _ in found.values()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

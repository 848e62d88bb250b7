"""Print the built book to one PDF: ``python book/pdf.py dist/wdualmine-book.pdf``.

The pages are joined in the order of the table of contents, links between them become links within the PDF,
and headless Chromium prints the whole. Nothing is fetched; ``apt-get install chromium`` gets the browser.
"""

import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

BOOK = Path(__file__).resolve().parent
HTML = BOOK / "_build" / "html"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
JOINED = "print.html"
PATIENCE = 300_000  # milliseconds
#: A page starts on a new sheet; what belongs to a screen is left out, what scrolls there is shown whole.
STYLE = """
.bd-header-article, .prev-next-footer, .headerlink, .copybtn, details.hide.above-input, #pst-skip-link {
  display: none !important;
}
.bd-main .bd-content .bd-article-container { max-width: none !important; padding: 0; }
.bd-article h1 { display: block !important; }
.joined + .joined { break-before: page; }
div.output.text_html, .pst-scrollable-table-container, div.math { overflow: visible !important; }
.bd-article div.output.text_html table :is(th, td) { white-space: normal !important; }
pre { white-space: pre-wrap !important; }
h1, h2, h3, .code-block-caption { break-after: avoid; }
img, tr, .math { break-inside: avoid; }
"""
FOOTER = '<span style="font-size: 8px; width: 100%; text-align: center" class="pageNumber"></span>'
SCALE = 0.72  # an A4 sheet is then as wide as a desktop's page, with text of 8 to 9 points


def pages() -> list[str]:
    """Give the names of the pages in the order of the table of contents."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def join(html: Path, names: list[str]) -> BeautifulSoup:
    """Put the articles of all pages into the first one; ids get the page's name, links and images follow."""
    files = {(html / f"{name}.html").resolve(): name for name in names}
    first = BeautifulSoup((html / f"{names[0]}.html").read_text(), "html.parser")
    joined = first.new_tag("div")
    for path, name in files.items():
        page = BeautifulSoup(path.read_text(), "html.parser")
        article = page.select_one("article.bd-article")
        assert article is not None, name
        article["id"] = f"{name}:"
        article["class"] = [*article.get("class", []), "joined"]
        for tag in article.find_all(id=True):
            tag["id"] = f"{name}:{tag['id']}"
        for attribute in ("href", "src"):
            for tag in article.find_all(**{attribute: True}):
                tag[attribute] = _moved(tag[attribute], path, files, html)
        joined.append(article)
    content = first.select_one(".bd-article-container")
    assert isinstance(content, Tag)
    content.clear()
    content.append(joined)
    for script in first.find_all("script"):  # the theme's, for a screen; formulas are drawn by MathJax
        if "mathjax" not in str(script).lower():
            script.decompose()
    style = first.new_tag("style")
    style.string = STYLE
    first.head.append(style)  # type: ignore[union-attr]
    return first


def _moved(url: str, path: Path, files: dict[Path, str], html: Path) -> str:
    """Rewrite an address on one page for the joined page, which lies in the root."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return url
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target in files:
        return f"#{files[target]}:{parts.fragment}"
    return target.relative_to(html.resolve()).as_posix() + (f"#{parts.fragment}" if parts.fragment else "")


def print_pdf(output: Path, html: Path = HTML) -> None:
    """Join the pages of a built book and print them."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        sys.exit(f"error: printing needs one of {', '.join(CHROMIUM)}; install it, for example with apt-get")
    joined = html / JOINED
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        joined.write_text(str(join(html, pages())))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page(color_scheme="light")
            tab.route(re.compile("^https?:"), lambda route: route.abort())
            tab.set_default_timeout(PATIENCE)
            tab.goto(joined.as_uri())
            tab.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
            tab.wait_for_load_state("networkidle")
            tab.pdf(
                path=output, format="A4", scale=SCALE, outline=True, tagged=True, print_background=True,
                margin=dict.fromkeys(("top", "bottom", "left", "right"), "16mm"),
                display_header_footer=True, header_template="<span></span>",
                footer_template=FOOTER,
            )  # fmt: skip
            browser.close()
    finally:
        joined.unlink(missing_ok=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python book/pdf.py OUTPUT.pdf  (after `make book`)")
    if not (HTML / "index.html").is_file():
        sys.exit("error: there is no book yet; run `make book` first")
    print_pdf(Path(sys.argv[1]))
    print(sys.argv[1])

"""Fusion in the page: it computes what the package computes, from a server and from disk, and reaches nobody.

Those with ``built_book`` open the built book in headless Chromium, cut off from any other host.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from browsing import watch
from calling import call
from scripts import load_script
from tolerances import TOLERANCES
from try_page import PATIENCE, choose, drop, move, open_page, saved, wait

from wdualmine import score
from wdualmine.data import TASKS, find_data, load_pairs
from wdualmine.data.images import read_image, write_image
from wdualmine.errors import WdualmineError
from wdualmine.fusion import fuse_images, luma_tensor
from wdualmine.methods import CLASSICAL, load_fuse
from wdualmine.registration.check import misalignment

WEB = Path(__file__).resolve().parents[2] / "web"
METRICS = ("EN", "MI", "CC", "PSNR", "Qabf")
OPENING_WEIGHT = 300_000  # bytes before the first interaction

builder = load_script(WEB / "build.py")


# ----------------------------------------------------------------------------------------------------
# The sources


def test_one_light_network_comes_first_for_every_task() -> None:
    found = [(weights.method.name, weights.task) for weights in builder.packaged_weights()]
    assert found == [(method, task) for method in ("light", "w-dualmine") for task in TASKS]
    assert len({weights.path for weights in builder.packaged_weights()}) == 1 + len(TASKS)


def test_joined_modules_share_no_name_and_keep_no_import() -> None:
    sources = "\n".join(path.read_text() for path in (WEB / "src").glob("*.js"))
    defined = r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)"
    names = re.findall(defined, sources, re.MULTILINE)
    assert len(names) > 100
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert not re.search(r"^(import|export) |/\*\*", builder.bundle(), re.MULTILINE)
    assert set(builder.MODULES) == {path.stem for path in (WEB / "src").glob("*.js")}


def test_types_hold() -> None:
    compiler = WEB / "node_modules" / ".bin" / "tsc"
    if not (compiler.is_file() and shutil.which("node")):
        pytest.skip("`npm install` in web/ gets the type checker")
    result = subprocess.run([compiler], cwd=WEB, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_runtime_is_what_its_publisher_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for line in (WEB / "vendor" / "SHA256SUMS").read_text().splitlines():
        builder.vendored(line.split()[1])
    shutil.copytree(WEB / "vendor", tmp_path / "vendor")
    with (tmp_path / "vendor" / "ort.wasm.min.js").open("a") as file:
        file.write(" ")
    monkeypatch.setattr(builder, "VENDOR", tmp_path / "vendor")
    with pytest.raises(WdualmineError, match=r"ort\.wasm\.min\.js: is not the file"):
        builder.vendored("ort.wasm.min.js")


def test_what_is_committed_stays_small() -> None:
    assert sum(path.stat().st_size for path in (WEB / "vendor").iterdir()) < 6e6


# ----------------------------------------------------------------------------------------------------
# The pages


def example(task: str) -> tuple[np.ndarray, np.ndarray]:
    """A pair of the phantom."""
    pair = load_pairs(task, limit=1, data=find_data("phantom"))[0]
    return pair.image_a, pair.image_b


def shown_scores(tab: Any) -> dict[str, float]:
    return {key: float(tab.inner_text(f"tr[data-metric={key}] td:nth-of-type(1)")) for key in METRICS}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """A pair of each task as files, real where the data is; one is cut to odd sides."""
    folder = tmp_path_factory.mktemp("pairs")
    made = {}
    for task in TASKS.values():
        pair = load_pairs(task, limit=1, data=find_data())[0]
        cut = np.s_[10:231, 20:203] if task.key == "ct-mri" else np.s_[:, :]
        made[task.key] = (
            write_image(folder / f"{task.a} of {task.key}.png", pair.image_a[cut]),
            write_image(folder / f"MRI-{task.key}.png", pair.image_b[cut]),
        )
    return made


def test_files_fuse_and_score_as_on_the_command_line(
    tab: Any,
    address: str,
    files: dict[str, tuple[Path, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """The command that the page shows is run, and makes the file that the page saves."""
    open_page(tab, address)
    steps = [
        ("ct-mri", "light", "λ", 1.2, False),
        ("ct-mri", "w-dualmine", "λ", 0.9, True),
        ("ct-mri", "laplacian-pyramid", "Blend", 0.35, True),
        ("pet-mri", "laplacian-pyramid", None, 0, True),
        ("pet-mri", "maximum", "Blend", 0.7, False),
        ("pet-mri", "average", None, 0, True),
    ]
    for task, method, slider, value, stretch in steps:
        tab.get_by_label("Task", exact=True).select_option(task)
        drop(tab, *files[task])
        wait(tab)
        choose(tab, "Method", method)
        if slider:
            move(tab, f"^{slider}", value)
        tab.get_by_label("Stretch to the full range").set_checked(stretch)
        tab.wait_for_timeout(250)
        wait(tab)
        shutil.copy(files[task][0], tmp_path)
        shutil.copy(files[task][1], tmp_path)
        page = saved(tab, "Save the result as PNG", tmp_path / "page.png")
        monkeypatch.chdir(tmp_path)
        program, *arguments = shlex.split(tab.inner_text("#fusion-page pre.command"))
        assert program == "wdualmine"
        code, _, error = call(capsys, *arguments)
        assert code == 0, error
        fused = read_image("fused.png")
        assert page.shape == fused.shape
        assert np.abs(page.astype(int) - fused).max() <= 1, (task, method)
        a, b = (read_image(path) for path in files[task])
        expected = score(a, b, page, METRICS)
        tolerance = TOLERANCES["printed"].value
        assert shown_scores(tab) == pytest.approx(expected, abs=tolerance), (task, method)


def answers(tab: Any) -> dict[str, float]:
    """What the page says that each method keeps of the spot, once all of them have answered."""
    answered = "document.querySelectorAll('.answers figure[data-share]:not(.waiting)').length === 4"
    tab.wait_for_function(answered, timeout=PATIENCE)
    shares = """Object.fromEntries([...document.querySelectorAll(".answers figure")].map(
      ({dataset, textContent}) => [dataset.method, [Number(dataset.share), textContent]]))"""
    shown = tab.evaluate(shares)
    for share, text in shown.values():
        assert text.startswith(f"{100 * share:.0f}%")
    return {method: share for method, (share, _) in shown.items()}


def test_the_page_opens_on_a_spot_that_the_maximum_loses(
    tab: Any, address: str, tmp_path: Path, screen: str
) -> None:
    """The answers are those of the package for the image that the page saves."""
    open_page(tab, address)
    assert tab.get_by_label("Method", exact=True).input_value() == "light"
    shares = answers(tab)
    assert shares["maximum"] == 0
    opening = tab.evaluate("wdualmineContents.opening.pair").split()[1]
    pair = next(pair for pair in load_pairs("ct-mri", data=find_data("phantom")) if pair.name == opening)
    sources = {"a": pair.image_a, "b": pair.image_b}
    spot = tab.evaluate("wdualminePage.spot")
    spotted = saved(tab, "Save the image with the spot", tmp_path / "spot.png")
    lumas = {side: luma_tensor(image) for side, image in sources.items()}
    changed = lumas | {spot["source"]: luma_tensor(spotted)}
    signal = changed[spot["source"]] - lumas[spot["source"]]
    assert signal.abs().max() * 255 == pytest.approx(30)
    for method, share in shares.items():
        fuse = load_fuse(method, "ct-mri")
        kept = (fuse(changed["a"], changed["b"]) - fuse(lumas["a"], lumas["b"])) * signal
        expected = float(kept.sum() / (signal**2).sum())
        assert share == pytest.approx(expected, abs=TOLERANCES["recovery"].value), method
    ring = tab.locator("#fusion-page .panels .marker").first.bounding_box()
    frame = tab.locator("#fusion-page .panels .frame").first.bounding_box()
    for axis, side in (("x", "width"), ("y", "height")):
        middle = (ring[axis] + ring[side] / 2 - frame[axis]) / frame[side]
        assert middle == pytest.approx((spot[axis] + 0.5) / 256, abs=0.01)
    if screen == "phone":
        assert tab.locator(".stage").bounding_box()["y"] < 844  # on the first screen
        texts = tab.locator(".answers figcaption").evaluate_all(
            "all => all.map(e => e.scrollWidth - e.clientWidth)"
        )
        assert max(texts) <= 0


def test_a_spot_is_followed_into_the_result(tab: Any, address: str, tmp_path: Path) -> None:
    open_page(tab, address)
    tab.get_by_role("button", name="Take the spot out").click()
    tab.wait_for_selector("#fusion-page .kept:empty", state="attached")
    choose(tab, "Method", "average")
    frame = tab.locator("#fusion-page .panels .frame").nth(1)
    frame.focus()
    frame.press("Enter")
    kept = "Number(document.getElementById('fusion-page').dataset.recovery)"
    tab.wait_for_selector("#fusion-page .kept:not(:empty)")
    assert tab.evaluate(kept) == pytest.approx(0.5, abs=1e-3)  # of the average, whatever the spot
    place = tab.inner_text("#fusion-page .kept")
    frame.press("Shift+ArrowRight")
    tab.wait_for_function(
        "before => !document.querySelector('.kept').textContent.startsWith(before)", arg=place[:30]
    )
    image = saved(tab, "Save the image with the spot", tmp_path / "spot.png")
    assert image.shape == (256, 256)
    frame.click(position={"x": 40, "y": 40})
    choose(tab, "Method", "maximum")
    assert tab.evaluate(kept) >= 0
    frame.press("Delete")
    tab.wait_for_selector("#fusion-page .kept:empty", state="attached")


def test_mistakes_are_named(
    tab: Any, address: str, files: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    open_page(tab, address)
    rng = np.random.default_rng(0)
    color = write_image(tmp_path / "color.png", rng.integers(0, 256, (256, 256, 3)).astype(np.uint8))
    deep = write_image(tmp_path / "deep.png", rng.integers(0, 65536, (9, 9)).astype(np.uint16))
    text = tmp_path / "notes.png"
    text.write_text("no image")
    broken = tmp_path / "broken.png"
    broken.write_bytes(color.read_bytes()[:60])
    ct, mri = files["ct-mri"]
    pet = files["pet-mri"][0]
    for dropped, message in (
        ([text, mri], "notes.png: is no PNG or JPEG"),
        ([broken, mri], "broken.png: is not a readable image"),
        ([deep, mri], "deep.png: has 16 bits a channel"),
        ([pet, mri], "register and resample them first"),
        ([pet, color], "are both in color"),
    ):
        drop(tab, *dropped)
        tab.wait_for_selector(f"#fusion-page .message:has-text({json.dumps(message)})")
        assert not tab.locator("#fusion-page .results").is_visible()  # of the images before
    drop(tab, ct, mri)
    wait(tab)
    assert tab.inner_text("#fusion-page .message") == ""
    assert tab.locator("#fusion-page .results").is_visible()
    assert tab.inner_text("#fusion-page .kept") == ""  # nothing is put into a reader's own images unasked
    tab.get_by_role("button", name="Put a spot in").click()
    tab.wait_for_selector("#fusion-page .kept:not(:empty)")


def test_images_that_are_not_registered_get_the_warning_of_the_command_line(
    tab: Any, address: str, files: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    """In the same words and numbers; they are fused all the same."""
    open_page(tab, address)
    ct, mri = (read_image(path) for path in files["spect-mri"])
    for number, undo in enumerate((lambda x: np.roll(x, (20, 12), (0, 1)), np.rot90)):
        moved = np.ascontiguousarray(undo(mri))
        path = write_image(tmp_path / f"moved-{number}.png", moved)
        found = misalignment(ct, moved)
        assert found is not None
        drop(tab, files["spect-mri"][0], path)
        tab.wait_for_selector(f"#fusion-page .warning:has-text({json.dumps(str(found))})")
        wait(tab)
    drop(tab, *files["spect-mri"])
    wait(tab)
    assert tab.inner_text("#fusion-page .warning") == ""


def test_a_link_brings_settings_back_and_undo_takes_them_away(tab: Any, address: str) -> None:
    open_page(tab, address)
    wait(tab)
    opened = tab.evaluate("wdualminePage.settings()")
    undo = tab.get_by_role("button", name="Undo")
    assert undo.is_disabled()
    choose(tab, "Task", "pet-mri")
    choose(tab, "Method", "laplacian-pyramid")
    before = tab.evaluate("wdualminePage.settings()")
    move(tab, "^Blend", 0.35)
    tab.get_by_label("Stretch to the full range").uncheck()
    tab.wait_for_timeout(300)
    wait(tab)
    settings, scores = tab.evaluate("wdualminePage.settings()"), shown_scores(tab)
    tab.get_by_role("button", name="Copy a link").click()
    link = tab.evaluate("location.href")
    assert link.endswith(settings)
    tab.goto("about:blank")
    tab.goto(link)
    wait(tab)
    assert tab.evaluate("wdualminePage.settings()") == settings
    assert shown_scores(tab) == scores
    tab.get_by_role("button", name="Start again").click()
    tab.wait_for_function(f"wdualminePage.settings() === {json.dumps(opened)}", timeout=PATIENCE)
    wait(tab)
    tab.wait_for_timeout(300)
    undo.click()
    tab.wait_for_function(f"wdualminePage.settings() === {json.dumps(settings)}", timeout=PATIENCE)
    assert undo.is_disabled()
    assert before != settings
    for hostile in ("task=none&pair=x&method=y&scale=NaN&spot=a 9999 9", "task=ct-mri&share=-5&left=<b>"):
        tab.goto("about:blank")
        tab.goto(f"{link.partition('#')[0]}#{hostile}")
        wait(tab)
        assert tab.inner_text("#fusion-page .message:not(.warning)") == ""


def test_jpeg_files_fuse_as_on_the_command_line(tab: Any, address: str, tmp_path: Path) -> None:
    paths = []
    for path, image in zip(("pet.jpg", "mri.jpg"), example("pet-mri"), strict=True):
        imageio.imwrite(tmp_path / path, image, quality=90)
        paths.append(tmp_path / path)
    open_page(tab, address)
    tab.get_by_label("Task", exact=True).select_option("pet-mri")
    drop(tab, *paths)
    wait(tab)
    choose(tab, "Method", "maximum")
    page = saved(tab, "Save the result as PNG", tmp_path / "page.png")
    fused = fuse_images(*(read_image(path) for path in paths), CLASSICAL["maximum"].fuse)
    # Two decoders may differ by a level or two in luma and by more where they spread chroma.
    difference = np.abs(page.astype(int) - fused)
    assert difference.mean() < 1
    assert np.quantile(difference, 0.99) <= 4


def test_touch_pinches_and_picks(tab: Any, address: str) -> None:
    open_page(tab, address)
    frame = tab.locator("#fusion-page .panels .frame").nth(1)
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = tab.context.new_cdp_session(tab)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x + right, "y": y + down, "id": k} for k, (right, down) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (-20, 0))
    touch("touchStart", (-20, 0), (20, 0))
    touch("touchMove", (-20, 0), (60, 0))
    touch("touchEnd")
    scale = (
        "getComputedStyle(document.querySelector('#fusion-page .panels canvas')).transform.split(/[(,]/)[1]"
    )
    assert float(tab.evaluate(scale)) == pytest.approx(2)
    spot = "JSON.stringify(wdualminePage.spot)"
    before = tab.evaluate(spot)  # a pinch puts no spot
    assert '"source":"a"' in before
    touch("touchStart", (0, 0))
    touch("touchEnd")
    tab.wait_for_function("wdualminePage.spot.source === 'b'")


def test_a_graphics_card_gives_the_same_residual(browser: Any, built_book: Path, tmp_path: Path) -> None:
    """WebGPU, computed in software here, beside WebAssembly; unasked, the page leaves such a card alone."""
    pair = [
        write_image(tmp_path / name, image[112:144, 112:144])
        for name, image in zip(("a.png", "b.png"), example("ct-mri"), strict=True)
    ]
    residual = "Array.from(wdualminePage.bases.residuals.get('light '))"
    found, scripts = {}, {}
    for asked in ("", "?runtime=wasm", "?runtime=webgpu"):
        tab = browser.new_page()
        loaded = scripts[asked] = []
        tab.on("request", lambda request, loaded=loaded: loaded.append(request.url.split("/")[-1]))
        seen = watch(tab)
        tab.goto(f"{built_book.absolute().as_uri()}/try.html{asked}")
        wait(tab)
        if not tab.evaluate("navigator.gpu?.requestAdapter().then(adapter => adapter !== null)"):
            pytest.skip("this Chromium computes no WebGPU")
        drop(tab, *pair)
        wait(tab)
        found[asked] = np.array(tab.evaluate(residual))
        tab.close()
        assert seen == []
    assert found[""].shape == (32 * 32,)
    assert np.abs(found[""]).max() > 0.01
    np.testing.assert_array_equal(found[""], found["?runtime=wasm"])
    np.testing.assert_allclose(found["?runtime=webgpu"], found[""], atol=TOLERANCES["onnx"].value, rtol=0)
    for asked, script in (("", "ort.wasm"), ("?runtime=wasm", "ort.wasm"), ("?runtime=webgpu", "ort.jspi")):
        assert [name for name in scripts[asked] if name.startswith("ort.")] == [f"{script}.min.js.0.js"]


def test_zoom_is_in_step_and_the_swipe_follows_its_slider(tab: Any, address: str) -> None:
    open_page(tab, address)
    tab.get_by_role("button", name="Zoom in").click()
    scales = """[...document.querySelectorAll("#fusion-page .results canvas:not(.answers *)")].map(
      canvas => getComputedStyle(canvas).transform.split(/[(,]/)[1])"""
    assert tab.evaluate(scales) == ["2"] * 6
    tab.get_by_role("button", name="Whole image").click()
    assert tab.evaluate(scales) == ["1"] * 6
    tab.locator("#fusion-page .swipe").focus()
    before = tab.evaluate("document.querySelector('#fusion-page .over').getBoundingClientRect().left")
    tab.keyboard.press("End")
    style = "getComputedStyle(document.querySelector('#fusion-page .over')).clipPath"
    assert "100%" in tab.evaluate(style), before


def test_every_network_that_comes_with_the_package_is_offered(tab: Any, address: str) -> None:
    open_page(tab, address)
    networks = tab.evaluate("wdualmineContents.networks.map(n => [n.task, n.method])")
    assert {tuple(network) for network in networks} == {
        (weights.task, weights.method.name) for weights in builder.packaged_weights()
    }


def test_the_first_page_opens_with_a_fusion_and_little_weight(
    tab: Any, address: str, built_book: Path
) -> None:
    loaded: list[str] = []
    tab.on("request", lambda request: loaded.append(request.url))
    tab.goto(f"{address}/index.html")
    status = tab.locator("#fusion-opening .status")
    status.wait_for()
    ours = {url.split("/web/")[1] for url in loaded if "/web/" in url}
    assert sum((built_book / "web" / name).stat().st_size for name in ours) < OPENING_WEIGHT
    move_to = "(input) => { input.value = 0; input.dispatchEvent(new Event('input')); }"
    tab.locator("#fusion-opening .slider input").evaluate(move_to)
    tab.wait_for_function(
        "document.querySelector('#fusion-opening .status').textContent.includes('λ = 0.00')"
    )
    assert status.inner_text().count("0.00 of 255") == 1
    assert status.inner_text().endswith("by 0.00.")
    assert tab.locator("#fusion-opening canvas").count() == 6


def test_without_javascript_a_still_with_text_stands_there(built_book: Path) -> None:
    for page in ("try", "index"):
        still = re.search(
            r'<img src="web/still.png" alt="([^"]+)"', (built_book / f"{page}.html").read_text()
        )
        assert still
        assert "MRI" in still[1]
    assert (built_book / "web" / "still.png").is_file()

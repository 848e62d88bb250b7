"""Make what runs in the book's pages: ``python web/build.py OUTPUT NETWORK.onnx ...``.

The modules of ``web/src`` become one classic script, because a page opened from disk may load no module; what
is loaded on demand becomes base64 within scripts, because such a page may fetch nothing. Needs no Node.
"""

import base64
import gzip
import hashlib
import io
import json
import lzma
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wdualmine.data import TASKS, DataSource, Pair, find_data, load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.fusion import luma_tensor
from wdualmine.methods import LIGHT, W_DUALMINE, Method, load_network

WEB = Path(__file__).resolve().parent
VENDOR = WEB / "vendor"
#: In the order of their imports.
MODULES = (
    *("color", "image", "methods", "metrics", "registered", "signal", "command", "nifti"),
    *(
        "assets",
        "network",
        "bases",
        "volumes",
        "panels",
        "planes",
        "answers",
        "scores",
        "page",
        "opening",
        "start",
    ),
)
#: ONNX Runtime for WebAssembly and for WebGPU: their scripts, and what these load.
RUNTIME_FILES = (
    *("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    *("ort.jspi.min.js", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
)
PART = 400_000  # bytes in a script: a step of the progress bar
OPENING = "ct-mri"
PHANTOMS = 4  # pairs a task
#: The networks of the first page, and in how many steps per grey level their residuals are kept: W-DUALMINE's
#: is shown a hundred times as large, the other needs less than half the bytes in half levels.
OPENING_STEPS = ((W_DUALMINE, 32), (LIGHT, 2))


def bundle(folder: Path = WEB / "src") -> str:
    """Join the modules into one classic script: imports, comments and indents go, exports become local.

    The whole is a function by name, whose text a page opened from disk can hand to a worker.
    """
    body = []
    for name in MODULES:
        text = (folder / f"{name}.js").read_text()
        text = re.sub(r'^import [^;]*? from "\./\w+\.js";\n', "", text, flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r" */\*\*((?!\*/).)*\*/\s?|^ +", "", text, flags=re.MULTILINE | re.DOTALL)
        body.append(re.sub(r"^export ", "", text, flags=re.MULTILINE))
    script = '() => {\n"use strict";\n' + "\n".join(body) + "}"
    return f"globalThis.wdualmineScript = {script};\nglobalThis.wdualmineScript();\n"


def vendored(name: str) -> bytes:
    """Give a file of the runtime as its publisher made it.

    Raises:
        WdualmineError: its SHA-256 is not the one in ``web/vendor/SHA256SUMS``.
    """
    packed = VENDOR / f"{name}.xz"
    content = lzma.decompress(packed.read_bytes()) if packed.is_file() else (VENDOR / name).read_bytes()
    lines = (line.split() for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    expected = {file: digest for digest, file in lines}
    if hashlib.sha256(content).hexdigest() != expected[name]:
        raise WdualmineError(f"{VENDOR / name}: is not the file that SHA256SUMS lists; check it out again")
    return content


class Assets:
    """Files loaded on demand, cut into scripts; :attr:`listing` is what the page has to know of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listing: dict[str, dict[str, object]] = {}
        folder.mkdir(parents=True)

    def add(self, name: str, content: bytes, packed: bool = True) -> str:
        """Write a file's scripts, compressed unless it is already; give its name."""
        content = gzip.compress(content, mtime=0) if packed else content
        parts = [content[start : start + PART] for start in range(0, len(content), PART)]
        for number, part in enumerate(parts):
            key, text = f"{name}.{number}", base64.b64encode(part).decode()
            (self.folder / f"{key}.js").write_text(f"wdualmineAsset({json.dumps(key)},{json.dumps(text)});\n")
        self.listing[name] = {"parts": [len(part) for part in parts], "packed": packed}
        return name


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def add_examples(assets: Assets, source: DataSource, limit: int | None) -> list[dict[str, str]]:
    """Write test pairs; give what the page has to know of each."""
    return [
        {
            "task": task,
            "name": pair.name,
            "data": source.name,
            "a": assets.add(f"{task}-{source.name}-{pair.name}-a", png(pair.image_a), packed=False),
            "b": assets.add(f"{task}-{source.name}-{pair.name}-b", png(pair.image_b), packed=False),
        }
        for task in source.tasks
        for pair in load_pairs(task, limit=limit, data=source)
    ]


def middle_pair(source: DataSource) -> Pair:
    """The pair of the first pages: the phantom's with most to see."""
    return max(load_pairs(OPENING, limit=PHANTOMS, data=source), key=lambda pair: int(pair.image_b.sum()))


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights that comes with the package; one may serve several tasks."""

    task: str  #: what it fuses, "ct-mri"
    method: Method  #: W-DUALMINE or the light network
    path: Path  #: the file


def packaged_weights() -> list[PackagedWeights]:
    """List the weights that come with the package, the light network's first: the page starts with those."""
    found = []
    for method in (LIGHT, W_DUALMINE):
        assert method.weights is not None
        for task in TASKS:
            path = method.weights(task)
            if path and path.is_file():
                found.append(PackagedWeights(task, method, path))
    return found


def main(output: Path, onnx: dict[str, Path]) -> None:
    """Write everything to a folder, page.js last."""
    shutil.rmtree(output, ignore_errors=True)
    assets = Assets(output / "assets")
    phantom, source = find_data("phantom"), find_data()
    for stem in dict.fromkeys(weights.path.stem for weights in packaged_weights()):
        assets.add(stem, onnx[stem].read_bytes())
    networks = []
    for weights in packaged_weights():
        model = load_network(weights.method, weights.path)
        networks.append(
            {
                "task": weights.task,
                "method": weights.method.name,
                "title": weights.method.title,
                "asset": weights.path.stem,
                "multiple": model.multiple,
                "scale": model.config.residual_scale,
            }
        )
    examples = add_examples(assets, phantom, PHANTOMS)
    if source.name != "phantom":
        examples += add_examples(assets, source, None)
    pair = middle_pair(phantom)
    mean = (pair.image_a / 255 + pair.image_b / 255) / 2
    fused: list[NDArray[np.float64]] = []
    opening = []
    for method, levels in OPENING_STEPS:
        model = load_network(method, method.weights(OPENING))
        residual = model(luma_tensor(pair.image_a), luma_tensor(pair.image_b)).residual[0, 0].numpy()
        steps = np.rint(residual * model.config.residual_scale * 255 * levels).astype("<i2")
        asset = assets.add(f"opening-{method.name}", steps.tobytes())
        opening.append({"title": method.title, "asset": asset, "step": 1 / (255 * levels)})
        fused.append(np.clip(mean + steps / (255 * levels), 0, 1))
    contents = {
        "tasks": [{"task": t.key, "title": t.folder, "a": t.a, "b": t.b} for t in TASKS.values()],
        "networks": networks,
        "examples": examples,
        "opening": {
            "task": OPENING,
            "pair": f"{phantom.name} {pair.name}",
            "a": assets.add("opening-a", png(pair.image_a), packed=False),
            "b": assets.add("opening-b", png(pair.image_b), packed=False),
            "networks": opening,
        },
    }
    for name in RUNTIME_FILES:
        assets.add(name, vendored(name))
    contents["assets"] = assets.listing
    paper, light = fused
    rows = (
        (pair.image_a / 255, pair.image_b / 255, mean),
        (paper, np.clip(0.5 + 100 * (paper - mean), 0, 1), light),
    )
    still = np.concatenate([np.concatenate(row, axis=1) for row in rows]) * 255
    small = Image.fromarray(np.rint(still).astype(np.uint8)).resize((480, 320), Image.Resampling.LANCZOS)
    small.save(output / "still.png", optimize=True)
    shutil.copy(VENDOR / "LICENSE", output / "ort.LICENSE.txt")
    shutil.copy(WEB / "page.css", output / "page.css")
    script = f"globalThis.wdualmineContents = {json.dumps(contents)};\n{bundle()}"
    (output / "page.js").write_text(script)


if __name__ == "__main__":
    main(Path(sys.argv[1]), {Path(name).stem: Path(name) for name in sys.argv[2:]})

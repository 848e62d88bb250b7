# The pipeline under `make book`: train and score each task, fill the tables, render the pages. With train=no the
# committed reference runs take the place of training; with the target `study` it trains the variants of a study.
#
# A run's folder is named by what determines it (experiment, data, code), so that going back to data or a preset
# used before recomputes nothing. The book shows and trains on the phantom; on pairs found here, whose source may state
# no license, with pairs=real alone.

import hashlib
import json
import shlex
import sys
from pathlib import Path

from wdualmine.data import TASKS, find_data
from wdualmine.errors import WdualmineError
from wdualmine.experiments import VARIANTS, Experiment, make_experiment
from wdualmine.methods import LIGHT, W_DUALMINE
from wdualmine.records import load_run
from wdualmine.sources import source_hash, sources_of
from wdualmine_book.experiments import STUDIES
from wdualmine_book.metrics.published import published_folder

TRAIN = str(config.get("train", "yes")).lower() not in ("no", "false")
REFERENCE = {task: f"results/reference/{task}-seed0" for task in TASKS}
PRESET = config.get("preset", "quick")
PAIRS = config.get("pairs", "phantom")
if config.get("study", "ablations") not in STUDIES:
    raise SystemExit(f"error: unknown study {config['study']!r}; choose one of {', '.join(STUDIES)}")
STUDY = STUDIES[config.get("study", "ablations")]
PACKAGE = [str(path) for path in sorted(Path("wdualmine").rglob("*.py"))]


def code_of(page):
    """The files of ours that a page's notebook runs: a page is made anew where one of them changes."""
    cells = json.loads(Path(f"notebooks/{page}.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return [str(path.relative_to(Path.cwd())) for path in sorted(sources_of(code).values())]


RESULTS = [str(path) for path in sorted(Path("results").rglob("*.*"))]
PAGES = ["results", "figures", "studies", "recovery", "audit", "metrics", "provenance", "training", "comparison", "scans"]

if PAIRS not in ("phantom", "real"):
    raise SystemExit(f"error: PAIRS={PAIRS}: choose phantom or real")
if not TRAIN and PAIRS == "phantom":
    raise SystemExit("error: TRAIN=no shows the reference runs, which are of the real pairs: add PAIRS=real")
try:
    SOURCE = find_data("phantom" if PAIRS == "phantom" else None)
    if TRAIN:
        EXPERIMENTS = {task: make_experiment(task, PRESET) for task in TASKS}
    else:  # the reference runs need not be of one preset
        records = {task: load_run(REFERENCE[task]).info.trained for task in TASKS}
        EXPERIMENTS = {task: Experiment.from_dict(record.model_dump(), REFERENCE[task]) for task, record in records.items()}
    DATA = {task: SOURCE.fingerprint(task) for task in TASKS}
except WdualmineError as error:
    raise SystemExit(f"error: {error}")
if PAIRS == "real" and SOURCE.name == "phantom":
    raise SystemExit("error: PAIRS=real: no pairs are here; `wdualmine data fetch` gets them, WDUALMINE_DATA names a folder")
if not TRAIN and SOURCE.name != "harvard":
    raise SystemExit("error: TRAIN=no shows the reference runs, which are of the real pairs: `wdualmine data fetch` first")
print(f"The book's pairs: {SOURCE.describe()}", file=sys.stderr)
if PAIRS == "real":
    print("The book will show these pairs: publish it only where their license allows it.", file=sys.stderr)
PUBLISHED = published_folder(SOURCE)
# All that a page can show of the data: with other data it is filled anew.
SHOWN = [*DATA.values(), *(sorted(f"{path.parent.name}/{path.name}" for path in PUBLISHED.rglob("*.*")) if PUBLISHED else [])]
# The book's jobs get the data by name, not by a second look-up; a study shows no pair and looks for itself.
WITH_DATA = f"WDUALMINE_DATA={'phantom' if PAIRS == 'phantom' else shlex.quote(str(SOURCE.root))}"
NOTEBOOK = f"{WITH_DATA} {sys.executable} notebooks/run.py"


def identity(kind, task, module="wdualmine.training"):
    parts = (kind, EXPERIMENTS[task].hash, DATA[task], source_hash(module))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


# By file: the method, and the file; one of the light network serves all tasks.
WEIGHTS = {
    path.stem: (method.name, str(path))
    for method in (LIGHT, W_DUALMINE)
    for path in map(method.weights, TASKS)
    if path.is_file()
}
RUNS = {
    task: f"build/runs/{task}-{experiment.preset}-{identity('training' if TRAIN else 'reference', task)}"
    for task, experiment in EXPERIMENTS.items()
}
BASELINES = {task: f"build/runs/{task}-baselines-{identity('baselines', task, 'wdualmine_book.results.record')}" for task in TASKS}
RECORDS = [f"{folder}/train.ipynb" for folder in RUNS.values()] if TRAIN else []
RECORDS += [f"{folder}/run.json" for folder in BASELINES.values()] if TRAIN else []


rule all:
    input:
        "book/_build/html/index.html",


# One thread a run: its bits do not depend on the machine's cores, and the runs fill them side by side.
for task in TASKS:

    rule:
        name: f"train_{task.replace('-', '_')}"
        input:
            "notebooks/train.ipynb", "notebooks/run.py",
            [] if TRAIN else [f"{REFERENCE[task]}/run.json", f"wdualmine/weights/{task}.safetensors"],
        # The record beside it is no declared output: a notebook that fails later must not take it along.
        output: f"{RUNS[task]}/train.ipynb"
        params:
            task=task, preset=EXPERIMENTS[task].preset, folder=RUNS[task], command=NOTEBOOK,
            # A finished run in the folder is shown and not trained again.
            before="true" if TRAIN else f"mkdir -p {RUNS[task]} && cp {REFERENCE[task]}/* {RUNS[task]} &&"
            f" cp wdualmine/weights/{task}.safetensors {RUNS[task]}/model.safetensors",
        message: f"Training on {task}"
        threads: 1
        priority: len(TASKS)
        shell:
            "{params.before} && {params.command} train.ipynb {output} task={params.task} preset={params.preset}"
            " output={params.folder} threads={threads} device=" + config.get("device", "auto")

    rule:
        name: f"baselines_{task.replace('-', '_')}"
        output: f"{BASELINES[task]}/run.json"
        params: task=task, folder=BASELINES[task], python=f"{WITH_DATA} {sys.executable}",
            limit=f"--limit {EXPERIMENTS[task].schedule.test_pairs}" if EXPERIMENTS[task].schedule.test_pairs else "",
        message: f"Scoring the baselines on {task}"
        threads: 1
        shell: "{params.python} -m wdualmine_book record baselines {params.task} -o {params.folder} {params.limit} > /dev/null"


rule page_training:
    input: "book/merge.py", **{task.replace("-", "_"): f"{RUNS[task]}/train.ipynb" for task in TASKS}
    output: "book/runs/training.ipynb"
    params:
        python=sys.executable, parts=[f"{TASKS[task].folder}={RUNS[task]}/train.ipynb" for task in TASKS],
    message: "Filling the page training"
    shell: "{params.python} book/merge.py Training {output} {params.parts}"


# A study trains several variants with several seeds. A run resumes by itself, so nothing here forgets its epochs.
rule study_run:
    output: "build/studies/{preset}/{task}-{variant}-seed{seed}/run.json"
    params: python=sys.executable, device=config.get("device", "auto"),
    wildcard_constraints: task="|".join(TASKS), variant="|".join(VARIANTS), seed=r"\d+"
    message: "Training {wildcards.variant} on {wildcards.task}, seed {wildcards.seed}"
    threads: 1
    shell:
        "{params.python} -m wdualmine train {wildcards.task} --preset {wildcards.preset} --variant {wildcards.variant}"
        " --seed {wildcards.seed} --threads {threads} --device {params.device} -o $(dirname {output})"


rule study:
    input:
        expand(
            "build/studies/{preset}/{task}-{variant}-seed{seed}/run.json",
            preset=PRESET, task=STUDY.tasks, variant=["proposed", *STUDY.variants], seed=range(int(config.get("seeds", 3))),
        ),


rule page:
    input:
        RECORDS,
        "notebooks/{page}.ipynb",
        "notebooks/run.py",
        lambda wildcards: code_of(wildcards.page),
        "data_manifest/paper_tables.csv",
        RESULTS,
    output: "book/runs/{page}.ipynb"
    params:
        folders=",".join(str(Path(record).parent) for record in RECORDS) or "build/none", command=NOTEBOOK, shown=SHOWN,
    wildcard_constraints: page="results|figures|metrics|provenance"
    message: "Filling the page {wildcards.page}"
    shell: "{params.command} {wildcards.page}.ipynb {output} runs={params.folders}"


rule page_of_records:
    input:
        "notebooks/{page}.ipynb",
        "notebooks/run.py",
        lambda wildcards: code_of(wildcards.page),
        RESULTS,
        "data_manifest/paper_tables.csv",
    output: "book/runs/{page}.ipynb"
    params: command=NOTEBOOK, shown=SHOWN,
    wildcard_constraints: page="studies|recovery|audit|comparison|scans"
    message: "Filling the page {wildcards.page}"
    shell: "{params.command} {wildcards.page}.ipynb {output}"


# What runs in the pages: each network as ONNX, then everything that the pages load.
rule network:
    input:
        lambda wildcards: WEIGHTS[wildcards.name][1],
        "wdualmine/export.py", "wdualmine/model.py", "wdualmine/wavelet.py", "wdualmine/methods/light.py",
    output: "build/web/{name}.onnx"
    params: python=sys.executable, method=lambda wildcards: WEIGHTS[wildcards.name][0],
    message: "Exporting the network {wildcards.name}"
    threads: 1
    shell: "{params.python} -m wdualmine export {input[0]} --method {params.method} -o {output} > /dev/null"


rule web:
    input:
        [f"build/web/{name}.onnx" for name in WEIGHTS],
        [str(path) for path in sorted(Path("web").rglob("*.*")) if "node_modules" not in path.parts],
        PACKAGE,
    output: "book/_generated/web/page.js"
    params: python=f"{WITH_DATA} {sys.executable}", shown=SHOWN, networks=" ".join(f"build/web/{name}.onnx" for name in WEIGHTS),
    message: "Making what runs in the pages"
    shell: "{params.python} web/build.py book/_generated/web {params.networks}"


rule book:
    input:
        "book/_generated/web/page.js",
        [f"book/runs/{page}.ipynb" for page in PAGES],
        [str(path) for path in sorted(Path("book").rglob("*")) if path.is_file() and not {"_build", "_generated", "runs", "__pycache__"} & set(path.parts)],
        PACKAGE,
    output: "book/_build/html/index.html"
    params: jupyter_book=str(Path(sys.executable).with_name("jupyter-book")),
    message: "Rendering the book; warnings are errors"
    # From nothing: Sphinx reads no page anew for a value glued from another, and leaves the pictures of the book before.
    shell: "rm -rf book/_build && {params.jupyter_book} build -n -W --keep-going --quiet book"

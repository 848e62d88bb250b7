"""A run as a Process Run Crate: what ran, on what, with what result, for archives and other people's tools.

Source: https://w3id.org/ro/wfrun/process/0.5, S. Leo et al. 2024, doi:10.1371/journal.pone.0309210.
"""

import json
from pathlib import Path

from wdualmine.data.manifest import file_sha256
from wdualmine.records import load_run

#: The paper that is reproduced; the project has no address of its own yet.
PAPER = "https://arxiv.org/abs/2601.08920"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TYPES = {".json": "application/json", ".csv": "text/csv", ".safetensors": "application/octet-stream"}
WHAT = {
    "run.json": "What ran: configuration, code, data, hardware, results",
    "metrics.csv": "Scores, a row per method and pair",
    "log.csv": "Training, a row per epoch",
    "model.safetensors": "Weights",
}


def write_crate(folder: str | Path, output: str | Path) -> Path:
    """Copy a run's files into a folder with the description ``ro-crate-metadata.json``.

    Raises:
        WdualmineError: the folder holds no run.
    """
    from rocrate.model.contextentity import ContextEntity  # type: ignore[import-untyped]
    from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]

    run = load_run(Path(folder))
    info = run.info
    crate = ROCrate(version="1.1")
    crate.name = f"W-DUALMINE reproduced: {run.folder.name}"
    crate.description = (
        f"A record of kind {info.kind} on {info.task}, of the reproduction of arXiv:2601.08920"
    )
    license = {"@type": "CreativeWork", "name": "MIT License", "description": "Of what the run computed"}
    crate.root_dataset["license"] = crate.add(ContextEntity(crate, "https://spdx.org/licenses/MIT", license))
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = crate.add(ContextEntity(crate, PROFILE, profile))
    software = {
        "@type": "SoftwareApplication",
        "name": "wdualmine",
        "softwareVersion": str(info.code.model_extra["version"] if info.code.model_extra else ""),
        "url": PAPER,
        "identifier": info.code.commit or info.code.source,
    }
    instrument = crate.add(ContextEntity(crate, f"{PAPER}#wdualmine", software))
    data = {
        "@type": "Dataset",
        "name": f"Image pairs: {info.data.name}",
        "description": "Known by a hash over its files; its license is not known, so it is not in this crate",
        "identifier": info.data.fingerprint,
    }
    pairs = crate.add(ContextEntity(crate, "#pairs", data))
    agent = crate.add(
        ContextEntity(crate, "#contributors", {"@type": "Organization", "name": "wdualmine contributors"})
    )
    files = [
        crate.add_file(
            path,
            properties={
                "name": path.name,
                "description": WHAT.get(path.name, "A table of the run"),
                "sha256": file_sha256(path),
                "encodingFormat": TYPES[path.suffix],
                "contentSize": str(path.stat().st_size),
            },
        )
        for path in [run.folder / "run.json", *(run.folder / name for name in sorted(info.files))]
        if path.is_file()
    ]
    action = {
        "@type": "CreateAction",
        "name": f"{info.kind} of {info.task}",
        "description": json.dumps(info.experiment.model_dump() if info.experiment else {"limit": info.limit}),
        "startTime": info.sessions[0]["started"] if info.sessions else info.finished,
        "endTime": info.finished,
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    made = crate.add(ContextEntity(crate, "#run", action))
    made["instrument"], made["object"], made["result"], made["agent"] = instrument, pairs, files, agent
    crate.root_dataset["mentions"] = made
    crate.write(Path(output))
    return Path(output) / "ro-crate-metadata.json"

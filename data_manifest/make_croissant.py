"""Describe the data set in Croissant: ``python data_manifest/make_croissant.py``.

Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html) is JSON-LD for catalogues and
loaders of data. It is derived from the manifest, and describes the images without holding any.
"""

import csv
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from wdualmine import __version__
from wdualmine.data.manifest import (
    HARVARD,
    PUBLISHED,
    Collection,
    Entry,
    collections,
    file_sha256,
    manifest_folder,
    read_manifest,
)
from wdualmine.data.tasks import TASKS
from wdualmine.errors import WdualmineError

Json = dict[str, Any]

PAIRS = ("task", "split", "name", "volume", "slice", "path_a", "path_b", "sha256_a", "sha256_b")
MEANINGS = {
    "task": "ct-mri, pet-mri or spect-mri",
    "split": "train or test, as the public repository has it; test volumes also have slices in train",
    "modality": "CT, PET, SPECT or MRI; fused for a published result",
    "name": "file name without its suffix; the two images of a pair share it",
    "path": "path below the folder of the collection",
    "bytes": "size of the file in bytes",
    "sha256": "hexadecimal SHA-256 of the file",
    "volume": "number of the volume, read from the name",
    "slice": "number of the slice within the volume, read from the name",
    "path_a": "path of image A (CT, PET or SPECT)",
    "path_b": "path of image B (MRI)",
    "sha256_a": "hexadecimal SHA-256 of image A",
    "sha256_b": "hexadecimal SHA-256 of image B",
}
#: The JSON-LD context that the specification prescribes.
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "conformsTo": "dct:conformsTo",
    **{
        term: f"cr:{term}"
        for term in (
            "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
            "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path",
            "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
            "subField", "transform",
        )
    },
}  # fmt: skip
DESCRIPTION = (
    "Registered pairs of brain slices, CT, PET or SPECT with MRI, of the Whole Brain Atlas, as used to train "
    "and test image fusion: the lists of all files with size, SHA-256, split, volume and slice, and of the "
    "fused test images that two methods published. The images are PNG of 256 x 256 pixels, CT and MRI 8-bit "
    "grey, PET and SPECT 8-bit RGB. They lie in public repositories at pinned commits, not beside this file."
)
LICENSE = (
    "Unknown for the images: neither the repositories that hold them nor their files state a license; ask "
    "the Whole Brain Atlas before you redistribute them. The lists and this description: MIT."
)
CITATION = (
    "The images: K. A. Johnson and J. A. Becker, The Whole Brain Atlas, Harvard Medical School, "
    "https://www.med.harvard.edu/AANLIB/. We know of no citation for the pairs as the repository has them."
)
#: When this description was published first; the repositories do not say when the pairs were.
PUBLICATION = "2026-11-22"
LIMITATIONS = (
    "The splits are not independent: every test slice comes from a volume that has other slices in train. "
    "Volume and slice are read from the file names; subjects, scanners and acquisition are not stated."
)


def make_croissant(folder: Path | None = None) -> list[Path]:
    """Write ``pairs.csv`` and ``croissant.json`` into the manifest's folder, from the lists there.

    Raises:
        WdualmineError: the manifest is missing or a file cannot be read.
    """
    folder = folder or manifest_folder()
    pairs = folder / "pairs.csv"
    with pairs.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PAIRS)
        writer.writerows(pair_rows())
    croissant = folder / "croissant.json"
    croissant.write_text(json.dumps(describe(folder), indent=2) + "\n", encoding="utf-8")
    return [pairs, croissant]


def pair_rows() -> list[tuple[str | int, ...]]:
    """Give one row a pair, with the columns of :data:`PAIRS`, from the manifest of the source pairs."""
    rows: list[tuple[str | int, ...]] = []
    for task in TASKS.values():
        entries = {(entry.split, entry.name, entry.modality): entry for entry in read_manifest(tasks=[task])}
        for (split, name, modality), a in entries.items():
            if modality == task.a:
                b = entries[split, name, task.b]
                rows.append((task.key, split, name, a.volume, a.slice, a.path, b.path, a.sha256, b.sha256))
    return rows


def describe(folder: Path) -> Json:
    """Build the description from the lists in a folder."""
    lists = {task: f"{HARVARD}/{task}.csv" for task in TASKS}
    lists |= {method: f"published/{method}.csv" for method in PUBLISHED}
    columns = [field.name for field in fields(Entry)]
    sources = collections()
    repositories = [part for name, source in sources.items() for part in _repository(name, source)]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "harvard-medical-image-fusion-pairs",
        "description": DESCRIPTION,
        "url": _address(sources[HARVARD]),
        "version": __version__,
        "datePublished": PUBLICATION,
        "license": LICENSE,
        "sdLicense": "https://spdx.org/licenses/MIT",
        "citeAs": CITATION,
        "creator": [{"@type": "sc:Person", "name": name} for name in ("Keith A. Johnson", "J. Alex Becker")],
        "keywords": ["medical image fusion", "CT", "MRI", "PET", "SPECT", "brain"],
        "isLiveDataset": False,
        "rai:dataLimitations": LIMITATIONS,
        "distribution": [
            *repositories,
            *(_list(folder, path) for path in ("pairs.csv", *lists.values())),
        ],
        "recordSet": [
            _records("pairs", "pairs.csv", "One record a pair of registered images.", list(PAIRS), "path_a"),
            *(
                _records(name, path, f"One record a file listed in {path}.", columns, "path")
                for name, path in lists.items()
            ),
        ],
    }


def _address(source: Collection) -> str:
    return f"https://github.com/{source.repository}/tree/{source.commit}"


def _repository(name: str, source: Collection) -> list[Json]:
    """Give a public repository at its pinned commit, and its images."""
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"repository-{name}",
            "name": f"repository-{name}",
            "description": f"The public repository {source.repository} at commit {source.commit}.",
            "contentUrl": _address(source),
            "encodingFormat": "git+https",
            # Croissant wants a hash even where there is no file to hash; this is what stands there by custom.
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        },
        {
            "@type": "cr:FileSet",
            "@id": f"images-{name}",
            "name": f"images-{name}",
            "description": f"The images of the collection {name}; their hashes are in the lists.",
            "containedIn": {"@id": f"repository-{name}"},
            "encodingFormat": "image/png",
            "includes": f"{source.folder}/**/*.png",
        },
    ]


def _list(folder: Path, path: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{(folder / path).stat().st_size} B",
        "encodingFormat": "text/csv",
        "sha256": file_sha256(folder / path),
    }


def _records(name: str, source: str, description: str, columns: list[str], key: str) -> Json:
    """Give a record set whose fields are the columns of one list."""

    def field(column: str) -> Json:
        integer = column in ("bytes", "volume", "slice")
        return {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": MEANINGS[column],
            "dataType": "sc:Integer" if integer else "sc:Text",
            "source": {"fileObject": {"@id": source}, "extract": {"column": column}},
        }

    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{key}"},
        "field": [field(column) for column in columns],
    }


if __name__ == "__main__":
    try:
        print(*make_croissant(), sep="\n")
    except WdualmineError as error:
        sys.exit(f"error: {error}")

"""Networks in safetensors files: tensors with their metadata and a hash over both."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from wdualmine.errors import WdualmineError, one_line
from wdualmine.files import write_bytes


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write a safetensors file atomically, from tensors on any device and in any memory layout.

    The metadata goes into one key, as JSON: safetensors writes several keys in random order, and equal
    content should be equal bytes. The SHA-256 of the tensors goes with it.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {"wdualmine": json.dumps({"sha256": _hash(plain), **metadata})}))


def read_tensors(
    path: Path, remedy: str = "fetch or make it again"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote: tensors on the CPU, and the metadata.

    Raises:
        WdualmineError: the file is not of that kind, not whole or altered; the remedy ends the message.
    """
    with _opened(path, remedy) as (file, metadata):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if metadata.pop("sha256", None) not in (None, _hash(tensors)):  # files of before have none
            raise ValueError("its tensors are not those that were written")
        return tensors, metadata


def read_shapes(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """Read the header of a safetensors file alone: the shape of each tensor by its name, and the metadata."""
    with _opened(path, "fetch or make it again") as (file, metadata):
        names = file.keys()
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}, metadata


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    try:
        if not path.is_file():  # to open a named pipe would wait for ever
            raise ValueError("no such file")
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["wdualmine"])
            if not isinstance(metadata, dict):
                raise ValueError("its metadata is no JSON object")
            yield file, metadata
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise WdualmineError(f"{path}: not a file of this package ({one_line(error)}); {remedy}") from error


def _hash(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors on the CPU."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

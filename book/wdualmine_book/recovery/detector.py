"""A trained reader: a small network learns to find signals in a method's images, then searches unseen ones.

The observers of :mod:`wdualmine.recovery.observers` know what they look for. This one does not: it learns
from signals of all shapes and sizes in fused images of other volumes, one reader per method and source, and
one for each source alone. A record of kind "detector" holds, in ``metrics.csv``, the share found of the
signals in either source per method and pair.
"""

import zlib
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.data import Pair, load_fold, load_pairs, volume_of
from wdualmine.experiments import FOLDS
from wdualmine.fusion import Fuse, luma_tensor
from wdualmine.methods import LIGHT
from wdualmine.methods.classical import average
from wdualmine.progress import task_bar
from wdualmine.records import Run
from wdualmine.recovery.measure import SEED, SIGNALS, first_source, second_source
from wdualmine.recovery.observers import CHANCE, NEAR, REGION, window
from wdualmine.recovery.signals import AMPLITUDES, REACH, draw_signals, insert
from wdualmine.recovery.summary import relate
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.recovery.baselines import BASELINES
from wdualmine_book.recovery.record import ALONE, light_networks
from wdualmine_book.recovery.tables import FEW_VOLUMES

KIND = "detector"
PLACES = 2 * REGION + 1
#: Methods read beside the light network: the average, and the rules that show most at a CC near its.
RULES = ("detail-average-2-1-0.2", "detail-average-4-1-0.2", "detail-normalized-8-1.5-0.03")
TRAINING_PAIRS = 40
EPOCHS = 20
BATCH = 32


class Reader(nn.Module):
    """Filters of 21 x 21 pixels whose answers of either sign two layers weigh at each place."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(1, 16, 2 * REACH + 1)
        self.weigh = nn.Sequential(nn.Conv2d(32, 24, 1), nn.ReLU(), nn.Conv2d(24, 1, 1))

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches (N, 1, 43, 43) to the logits of the 23 x 23 places, (N, 529); blind to gain."""
        centered = patches - patches.mean(dim=(-2, -1), keepdim=True)
        scaled = centered / centered.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-4)
        answers = self.filters(scaled)
        return self.weigh(torch.cat((answers, -answers), dim=1).relu()).flatten(1)


def draw_patches(
    fuse: Fuse | Mapping[str, Fuse], pairs: Sequence[Pair], source: str
) -> tuple[Tensor, Tensor, list[str]]:
    """Fuse pairs with signals in one source and cut out the region of each.

    Returns:
        Patches (N, 1, 43, 43), the place of the signal in each, 0 to 528, and the name of its pair.
    """
    patches, places, names = [], [], []
    for pair in pairs:
        own = fuse[pair.name] if isinstance(fuse, Mapping) else fuse
        levels = {"a": pair.luma_a, "b": pair.luma_b}
        code = zlib.crc32(pair.name.encode())
        draws = draw_signals(levels["a"], levels["b"], SIGNALS, (SEED, code), AMPLITUDES)
        for number, (where, drawn) in enumerate(draws):
            if where != source or not drawn:
                continue
            images = {name: insert(x, drawn if name == source else ()) for name, x in levels.items()}
            with torch.inference_mode():
                fused = own(luma_tensor(images["a"]), luma_tensor(images["b"]))[0].numpy()
            shifts = np.random.default_rng((SEED + 1, code, number))
            for signal in drawn:
                shift = shifts.integers(-REGION, REGION + 1, 2)
                patches.append(window(fused, np.array((signal.row, signal.column)) + shift, REGION + REACH))
                places.append((REGION - shift[0]) * PLACES + REGION - shift[1])
                names.append(pair.name)
    return torch.from_numpy(np.stack(patches)).float(), torch.tensor(places), names


def train_reader(patches: Tensor, places: Tensor) -> Reader:
    """Train a reader on regions with one signal each, flipped at random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = Reader()
    optimizer = torch.optim.Adam(reader.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    steps = EPOCHS * (len(patches) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=max(steps, 1))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(patches), generator=generator).split(BATCH):
            if len(batch) < BATCH:
                continue
            x, rows, columns = patches[batch], places[batch] // PLACES, places[batch] % PLACES
            flips = torch.randint(2, (3,), generator=generator).tolist()
            if flips[0]:
                x, rows = x.flip(-2), PLACES - 1 - rows
            if flips[1]:
                x, columns = x.flip(-1), PLACES - 1 - columns
            if flips[2]:
                x, rows, columns = x.mT, columns, rows
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(reader(x), rows * PLACES + columns).backward()
            optimizer.step()
            schedule.step()
    return reader.eval()


@torch.inference_mode()
def find(reader: Reader, patches: Tensor, places: Tensor) -> Tensor:
    """Return of each region whether the reader's place is within :data:`NEAR` pixels of the signal, (N,)."""
    taken = reader(patches).argmax(dim=1)
    down = (taken // PLACES - places // PLACES).abs()
    right = (taken % PLACES - places % PLACES).abs()
    return (torch.maximum(down, right) <= NEAR).float()


def detector(request: Request) -> pd.DataFrame:
    """Train a reader per method and source on the volumes of fold 1, and let it search the unseen pairs.

    The light networks are those of the ranking: each never saw the volume that it fuses for the search.
    """
    task, parts = request.task, Parts(request)
    unseen, light = light_networks(task, request.source, request.pairs)
    kept = {pair.name for pair in load_fold(request.source, task, "train", 1, FOLDS)}
    training = [pair for pair in load_pairs(task, "train", data=request.source) if pair.name not in kept]
    training = training[:: max(1, len(training) // TRAINING_PAIRS)][:TRAINING_PAIRS]
    ways: dict[str, Fuse | Mapping[str, Fuse]] = {
        "average": average,
        **{name: BASELINES[name] for name in RULES},
    }
    if LIGHT.name in light:
        network = next(iter(light[LIGHT.name].values()))  # neither network was trained on the test volumes
        ways[LIGHT.name] = light[LIGHT.name] | {pair.name: network for pair in training}
    alone = {"a": first_source, "b": second_source}
    frames = []
    names = request.wanted((ALONE, *ways))
    with task_bar(f"{task.key} detector", len(names), request.progress) as advance:
        for name in names:
            for source in "ab":
                fuse = alone[source] if name == ALONE else ways[name]
                table = parts(f"{name}-{source}", partial(_search, fuse, training, unseen, source))
                frames.append(table.assign(method=name, source=source))
            advance()
    parts.clear()
    wide = pd.concat(frames).pivot(index=["method", "pair"], columns="source", values=["found", "signals"])
    wide.columns = pd.Index([f"{value}_{source}" for value in ("found", "signals") for source in "ab"])
    return wide.reset_index().assign(task=task.key, split="test", stretch=False)


def _search(
    fuse: Fuse | Mapping[str, Fuse], training: Sequence[Pair], unseen: Sequence[Pair], source: str
) -> pd.DataFrame:
    reader = train_reader(*draw_patches(fuse, training, source)[:2])
    patches, places, names = draw_patches(fuse, unseen, source)
    found = pd.DataFrame({"pair": names, "found": find(reader, patches, places).numpy()})
    return found.groupby("pair")["found"].agg(found="mean", signals="size").reset_index()


def detector_runs() -> dict[str, Run]:
    """Return the committed records of this kind by task."""
    return records_by_task(committed_runs("recovery"), KIND)


def detector_table(run: Run, reference: str = ALONE) -> pd.DataFrame:
    """Return the share found over that in a reference, by method: a, a_low, a_high, and so on of b.

    As in a ranking, so few volumes as :data:`~wdualmine_book.recovery.tables.FEW_VOLUMES` give no interval.
    """
    scores = run.metrics
    volumes = scores["pair"].astype(str).map(volume_of)
    tables = {}
    for name, own in scores.groupby("method", sort=False):
        rows = []
        for without in ("", *sorted(set(volumes[own.index]))):
            kept = own[volumes[own.index] != without]
            for s in "ab":
                hits = (kept[f"found_{s}"] * kept[f"signals_{s}"]).sum()
                rows.append((s, "found", without, hits / kept[f"signals_{s}"].sum()))
        tables[str(name)] = pd.DataFrame(rows, columns=["source", "statistic", "without", "value"])
    result = {}
    for name, own in tables.items():
        table = relate(own, tables[reference]).set_index("source")
        if own["without"].nunique() - 1 <= FEW_VOLUMES:  # "" is none left out
            table[["share_low", "share_high"]] = np.nan
        result[name] = {
            f"{s}{end}": table.loc[s, f"share{end}"] for s in "ab" for end in ("", "_low", "_high")
        }
    return pd.DataFrame.from_dict(result, orient="index").rename_axis("method")


def found_by_chance(run: Run, method: str) -> bool:
    """Say whether the reader finds in a method's images no more of a source than twice what chance finds."""
    own = run.metrics[run.metrics["method"] == method]
    shares = ((own[f"found_{s}"] * own[f"signals_{s}"]).sum() / own[f"signals_{s}"].sum() for s in "ab")
    return min(shares) < 2 * CHANCE

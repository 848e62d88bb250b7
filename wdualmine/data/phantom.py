"""The embedded phantom: virtual subjects scanned by CT, PET, SPECT and MRI, made with no download.

Each subject is the ICBM-152 2009a average brain (Fonov et al., doi:10.1016/j.neuroimage.2010.07.033) that
nilearn carries, moved, scaled and smoothly warped, with a skull and scalp put around it and one lesion put
into it. MRI is the T1 template; CT has a saturated skull and little contrast within the brain; PET and SPECT
show uptake in grey (high) and white matter (low), blurred to the scanner's resolution, with Poisson noise
and a color map like that of the real pairs. No patient's data is in it, and no clinical truth either: it
exists so that every step can be run and tested anywhere.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wdualmine.data.cache import cache_folder, staging
from wdualmine.data.images import write_image
from wdualmine.data.tasks import TASKS
from wdualmine.errors import WdualmineError

#: Raised whenever the pixels change, so that an older phantom in the cache is not mistaken for this one.
VERSION = 1
#: Volume numbers of the virtual subjects: no subject is in both splits.
VOLUMES = {"train": range(1, 9), "test": range(9, 13)}
SLICES = 6  # a volume

SIZE = 256  # pixels
PIXEL = 0.9  # mm
_LOWEST, _SPACING = -26.0, 14.0  # mm, of the slices of a volume above the anterior commissure
_ORIGIN = np.array([98.0, 134.0, 72.0])  # voxel of the anterior commissure in the template, 1 mm a voxel
_CENTER = np.array([0.0, -17.0, 10.0])  # mm, middle of the brain
_SIGMA = {"PET": 5 / 2.355, "SPECT": 10 / 2.355}  # mm; 5 and 10 mm full width at half maximum
_COUNTS = {"PET": 40.0, "SPECT": 12.0}  # a pixel at full uptake
_SCALP_UPTAKE = {"PET": 0.04, "SPECT": 0.16}

# (position, red, green, blue): black, blue, yellow, red, magenta; and black, teal, indigo, orange, white.
_COLORS = {
    "PET": [
        (0.00, 0, 0, 0), (0.14, 0, 0, 70), (0.30, 0, 50, 170), (0.38, 40, 140, 190), (0.46, 225, 225, 50),
        (0.60, 255, 205, 0), (0.74, 255, 125, 0), (0.87, 255, 30, 20), (1.00, 255, 0, 230),
    ],
    "SPECT": [
        (0.00, 0, 0, 0), (0.10, 15, 35, 38), (0.20, 45, 70, 80), (0.28, 45, 25, 100), (0.36, 75, 0, 145),
        (0.52, 145, 50, 140), (0.66, 215, 85, 90), (0.78, 255, 115, 20), (0.90, 255, 175, 90),
        (1.00, 255, 255, 255),
    ],
}  # fmt: skip

_Field = NDArray[np.float32]
_Map = NDArray[np.float64]
_Image = NDArray[np.uint8]


def phantom_folder() -> Path:
    """Return the folder in the cache where this version of the phantom is or will be."""
    return cache_folder() / f"phantom-{VERSION}"


def make_phantom() -> Path:
    """Make the phantom once, whole or not at all, and return its folder.

    It holds the three tasks as the real data does, ``<task>/<split>/<modality>/<volume><slice:03d>.png`` of
    256 x 256 pixels, the same on every run: 48 pairs to train on, 24 of other subjects to test on.

    Raises:
        WdualmineError: nilearn's template is missing, or the cache cannot be written.
    """
    folder = phantom_folder()
    if folder.is_dir():
        return folder
    with staging(folder.parent) as temporary:
        if not folder.is_dir():  # another process may have made it while this one waited
            _write_phantom(temporary / "phantom")
            (temporary / "phantom").rename(folder)
    return folder


def _write_phantom(root: Path) -> None:
    template = _Template.load()
    folders = [(task.folder, modality) for task in TASKS.values() for modality in task.modalities]
    for split, volumes in VOLUMES.items():
        for volume in volumes:
            for name, images in scan_subject(template, volume).items():
                for folder, modality in folders:
                    write_image(root / folder / split / modality / f"{name}.png", images[modality])


@dataclass(frozen=True)
class _Template:
    """Volumes on the template's grid, 1 mm a voxel unless said otherwise."""

    t1: _Field  #: T1 intensity, 0-255, zero outside the brain
    #: tracer uptake, 0 to 1, blurred along the body's axis to the resolution of each scanner
    uptake: dict[str, _Field]
    outside: _Field  #: signed distance in mm to the smooth hull of the brain, positive outside; 2 mm a voxel

    @classmethod
    def load(cls) -> "_Template":
        """Read nilearn's files and derive the rest."""
        from scipy import ndimage

        t1, grey, white = (_read_template(kind) for kind in ("t1", "gm", "wm"))
        uptake = (grey + 0.22 * white) / 255
        mask = t1[::2, ::2, ::2] > 0
        # Closing by 20 mm bridges the fissures; the distance to the widened mask is smooth, as a skull is.
        near = ndimage.distance_transform_edt(~mask, sampling=2) <= 20
        beyond, within = (ndimage.distance_transform_edt(part, sampling=2) for part in (~near, near))
        outside = 20 + beyond - within
        return cls(
            t1=t1,
            uptake={name: ndimage.gaussian_filter1d(uptake, sigma, axis=2) for name, sigma in _SIGMA.items()},
            outside=ndimage.gaussian_filter(outside, 2).astype(np.float32),
        )


def _read_template(kind: str) -> _Field:
    # Found without importing nilearn, which takes seconds.
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        what = "is not installed, and the phantom is made from its brain template"
        remedy = "run `pip install nilearn`, or set WDUALMINE_DATA to a folder of pairs"
        raise WdualmineError(f"nilearn: {what}; {remedy}")
    path = Path(spec.origin).parent / f"datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    try:
        import nibabel

        volume = np.asanyarray(nibabel.Nifti1Image.from_filename(path).dataobj)
    except Exception as error:
        text = f"{path}: the phantom's brain template cannot be read ({error}); install nilearn again"
        raise WdualmineError(text) from error
    return volume.astype(np.float32)


def scan_subject(template: _Template, volume: int) -> dict[str, dict[str, _Image]]:
    """Scan one virtual subject: for each slice's name, an image of each modality."""
    rng = np.random.default_rng([VERSION, volume])
    subject = _Subject.draw(rng, volume)
    start = _LOWEST + rng.uniform(0, _SPACING)
    heights = start + _SPACING * np.arange(SLICES)
    return {
        f"{volume}{round(height + _ORIGIN[2]):03d}": subject.scan(template, height, rng) for height in heights
    }


@dataclass(frozen=True)
class _Subject:
    """What sets one virtual subject apart from the template; lengths in mm."""

    matrix: _Map  # (3, 3), from the subject's axes to the template's
    waves: _Map  # (modes, 3) wave vectors of the warp, radians a mm
    phases: _Map  # (modes, 3)
    heights: _Map  # (modes, 3)
    skull: float  # thickness
    scalp: float  # thickness
    tone: float  # exponent on the tissue contrast
    gain: dict[str, float]  # of the uptake
    lesion: str
    lesion_center: _Map
    lesion_radius: float
    calcified: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, volume: int) -> "_Subject":
        roll, pitch, yaw = np.deg2rad(rng.uniform(-4, 4, 3))
        rotation = _rotation(0, pitch) @ _rotation(1, roll) @ _rotation(2, yaw)
        return cls(
            matrix=rotation @ np.diag(1 / rng.uniform([0.95, 0.93, 0.95], [1.05, 1.03, 1.05])),
            waves=rng.uniform(-1, 1, (5, 3)) * 2 * np.pi / 100,
            phases=rng.uniform(0, 2 * np.pi, (5, 3)),
            heights=rng.uniform(-1, 1, (5, 3)) * 2.2,
            skull=rng.uniform(6.0, 8.5),
            scalp=rng.uniform(3.0, 5.0),
            tone=rng.uniform(0.88, 1.12),
            gain={name: rng.uniform(0.85, 1.0) for name in _SIGMA},
            lesion=("infarct", "tumor", "hemorrhage")[volume % 3],
            lesion_center=np.array(
                [rng.choice([-1, 1]) * rng.uniform(22, 40), rng.uniform(-50, 25), rng.uniform(0, 35)]
            ),
            lesion_radius=rng.uniform(9, 15),
            calcified=bool(rng.random() < 0.6),
        )

    def scan(self, template: _Template, height: float, rng: np.random.Generator) -> dict[str, _Image]:
        """Cut one axial slice, nose up, and image it with every scanner."""
        from scipy import ndimage

        axis = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL
        y, x = np.meshgrid(-axis, axis, indexing="ij")
        place = np.stack([x, y, np.full_like(x, height - _CENTER[2])]).reshape(3, -1)
        angle = self.waves @ place
        warp = (self.heights[..., None] * np.sin(angle[:, None] + self.phases[..., None])).sum(0)
        point = self.matrix @ place + warp + _CENTER[:, None]

        def sample(volume: _Field, where: NDArray[np.bool_], voxel: float = 1.0) -> _Map:
            values = np.zeros((SIZE, SIZE))
            at = (point[:, where.ravel()] + _ORIGIN[:, None]) / voxel
            values[where] = ndimage.map_coordinates(volume, at, order=1, mode="nearest", output=np.float64)
            return values

        outside = sample(template.outside, np.full((SIZE, SIZE), True), 2.0)
        brain = outside < 3
        t1 = sample(template.t1, brain)
        bump = np.linalg.norm(point - self.lesion_center[:, None], axis=0).reshape(SIZE, SIZE)
        bump = bump / (self.lesion_radius * (1 + 0.15 * np.sin(2 * angle[0] + angle[1]).reshape(SIZE, SIZE)))
        inside = _ramp(-outside)
        lesion = np.exp(-(bump**4)) * inside
        rim = np.exp(-(((bump - 0.8) / 0.16) ** 2)) * inside
        uneven = np.sin(angle[1]).reshape(SIZE, SIZE)
        inner = 1.8 + 0.5 * uneven
        outer = inner + self.skull + 0.8 * uneven
        skin = outer + self.scalp
        shells = _Shells(
            bone=_ramp(outside - inner) * _ramp(outer - outside),
            marrow=_ramp(outside - inner - 2) * _ramp(outer - 2 - outside),
            scalp=_ramp(outside - outer) * _ramp(skin - outside),
            head=outside < skin + 0.5,
        )
        images = {
            "CT": self._ct(t1, lesion, shells, point, rng),
            "MRI": self._mri(t1, lesion, rim, shells, rng),
        }
        for name, volume in template.uptake.items():
            uptake = sample(volume, brain) * (1 + 0.1 * np.sin(1.5 * angle[2] + 1)).reshape(SIZE, SIZE)
            images[name] = self._emission(name, uptake, lesion, shells, rng)
        return images

    def _mri(self, t1: _Map, lesion: _Map, rim: _Map, shells: "_Shells", rng: np.random.Generator) -> _Image:
        value = np.interp(t1, [0, 55, 75, 165, 222, 255], [8, 14, 24, 104, 186, 220])
        value = 255 * (value / 255) ** self.tone
        core = {"infarct": 45.0, "tumor": 60.0, "hemorrhage": 150.0}[self.lesion]
        value += lesion * (core - value)
        if self.lesion == "tumor":  # enhances at its edge
            value += rim * (215 - value)
        value += shells.bone * (10 - value) + 55 * shells.marrow
        value += shells.scalp * (112 - value)
        noise = rng.normal(0, 4, (2, SIZE, SIZE))
        return _to_bytes(np.hypot(value + noise[0], noise[1]) * shells.head)  # Rician

    def _ct(self, t1: _Map, lesion: _Map, shells: "_Shells", point: _Map, rng: np.random.Generator) -> _Image:
        from scipy import ndimage

        value = np.interp(t1, [0, 60, 90, 165, 222], [26, 26, 46, 118, 92])
        core = {"infarct": 52.0, "tumor": 78.0, "hemorrhage": 205.0}[self.lesion]
        value += lesion * (core - value)
        value += shells.scalp * (48 - value)
        value = ndimage.gaussian_filter(value, 0.8)
        value += ndimage.gaussian_filter(rng.normal(0, 9, (SIZE, SIZE)), 0.7)
        value += 255 * shells.bone
        if self.calcified:  # pineal gland and choroid plexus
            for spot, radius in (([0, -31, 1], 2.2), ([-24, -44, 9], 3.0), ([24, -44, 9], 3.0)):
                distance = np.linalg.norm(point - np.array(spot, float)[:, None], axis=0)
                value += 230 * _ramp(radius - distance).reshape(SIZE, SIZE)
        return _to_bytes(value * shells.head)

    def _emission(
        self, name: str, uptake: _Map, lesion: _Map, shells: "_Shells", rng: np.random.Generator
    ) -> _Image:
        from scipy import ndimage

        factor = {"infarct": 0.15, "tumor": 1.3, "hemorrhage": 0.3}[self.lesion]
        uptake = uptake * (1 + lesion * (factor - 1)) + _SCALP_UPTAKE[name] * shells.scalp
        if self.lesion == "tumor":
            uptake = uptake + 0.35 * lesion
        # Half of the blur is the detector's, before the counts are drawn, half the reconstruction's filter.
        sigma = _SIGMA[name] / PIXEL / np.sqrt(2)
        counts = rng.poisson(np.round(ndimage.gaussian_filter(uptake, sigma) * _COUNTS[name], 3))
        level = ndimage.gaussian_filter(counts / _COUNTS[name], sigma) * self.gain[name]
        index = _to_bytes(255 * (level - 0.03) / 0.92)
        return _color_table(name)[index * (shells.head | (index > 12))]


@dataclass(frozen=True)
class _Shells:
    """Layers around the brain in one slice: weights 0 to 1, and where the head is."""

    bone: _Map
    marrow: _Map
    scalp: _Map
    head: NDArray[np.bool_]


def _rotation(axis: int, angle: float) -> _Map:
    first, second = (number for number in range(3) if number != axis)
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _ramp(depth: _Map) -> _Map:
    """Go from 0 to 1 across an edge, over one pixel."""
    return np.clip(depth / PIXEL + 0.5, 0, 1)


def _to_bytes(values: _Map) -> _Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _color_table(name: str) -> _Image:
    position, *channels = np.array(_COLORS[name]).T
    level = np.arange(256) / 255
    return _to_bytes(np.stack([np.interp(level, position, channel) for channel in channels], -1))

"""Phase congruency: where the waves of an image agree in phase, as at edges and corners of any contrast.

P. Kovesi, 1999, Image features from phase congruency, Videre 1 (3), and 2003, Phase congruency detects
corners and edges, DICTA; https://www.peterkovesi.com/matlabfns. Log-Gabor filters of four scales and six
directions, with the settings of his function: wavelengths from 3 pixels, each 2.1 times the one before.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from wdualmine.metrics.metric import Array

_SCALES, _DIRECTIONS = 4, 6
_SHORTEST, _FACTOR = 3.0, 2.1  # wavelength of the finest filter in pixels, and of each to the one before
_BANDWIDTH = 0.55  # of a log-Gabor filter: its deviation over its center frequency
_SPREAD = math.pi / _DIRECTIONS / 1.2  # angular deviation of a filter
_NOISE_DEVIATIONS = 2.0  # from the mean of the noise's energy to its threshold
_NOISE_EXCESS = 1.7  # by which that estimate is too high for this measure
_CUT_OFF, _STEEPNESS = 0.5, 10  # of the weight of a frequency spread
_SMALL = 1e-4  # keeps quotients finite


def phase_congruency(image: Array, mixed: float = 2.0) -> tuple[Array, Array, Array]:
    """Phase congruency of a grey image (H, W), float64 0-255, and its moments over the directions.

    A factor of 2 for the mixed moment makes the results the eigenvalues of the matrix of moments.

    Returns:
        Congruency, 0 to 1; the largest moment, an edge's strength; the smallest, a corner's; (H, W) each.
    """
    spectrum = fft.fft2(image)
    energies, amplitudes = np.zeros(image.shape), np.zeros(image.shape)
    xx, yy, xy = np.zeros(image.shape), np.zeros(image.shape), np.zeros(image.shape)
    for angle, filters, noise in _directions(image.shape):
        responses = fft.ifft2(spectrum * filters)  # real: even filter; imaginary: odd filter
        energy, amplitude = _energy(responses, noise)
        congruency = np.divide(energy, amplitude, out=np.zeros_like(energy), where=amplitude > 0)
        energies += energy
        amplitudes += amplitude
        x, y = congruency * math.cos(angle), congruency * math.sin(angle)
        xx, yy, xy = xx + x * x, yy + y * y, xy + x * y
    xx, yy, xy = (2 / _DIRECTIONS * moment for moment in (xx, yy, xy))
    apart = np.sqrt((mixed * xy) ** 2 + (xx - yy) ** 2) + _SMALL
    return energies / (amplitudes + _SMALL), (xx + yy + apart) / 2, (xx + yy - apart) / 2


@lru_cache(maxsize=2)
def _directions(shape: tuple[int, ...]) -> list[tuple[float, Array, float]]:
    """The angle of each direction, its filters (scales, H, W), and what noise makes of them.

    The last is the energy of Gaussian noise alone, per median squared response of 1 of the finest filter.
    """
    v, u = fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])[None, :]
    radius, angles = np.hypot(u, v), np.arctan2(-v, u)
    radius[0, 0] = 1  # the mean has no wavelength; it is set to 0 below
    low_pass = 1 / (1 + (radius / 0.45) ** 30)  # no frequencies from the corners of the spectrum
    wavelengths = _SHORTEST * _FACTOR ** np.arange(_SCALES)[:, None, None]
    radial = np.exp(-(np.log(radius * wavelengths) ** 2) / (2 * math.log(_BANDWIDTH) ** 2)) * low_pass
    radial[:, 0, 0] = 0
    directions = []
    for number in range(_DIRECTIONS):
        angle = number * math.pi / _DIRECTIONS
        away = np.abs((angles - angle + math.pi) % (2 * math.pi) - math.pi)
        filters = radial * np.exp(-(away**2) / (2 * _SPREAD**2))
        # Even parts of the filters, summed over the scales: what the real parts of their responses add up to.
        summed = filters.sum(axis=0)
        even = (summed + np.roll(summed[::-1, ::-1], 1, axis=(0, 1))) / 2
        power = 1 / math.log(2) / float((filters[0] ** 2).sum())
        rayleigh = math.sqrt(power * float((even**2).sum()))
        threshold = math.sqrt(math.pi / 2) + _NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)
        directions.append((angle, filters, rayleigh * threshold / _NOISE_EXCESS))
    return directions


def _energy(responses: NDArray[np.complex128], noise: float) -> tuple[Array, Array]:
    """Weighted energy above the noise, and summed amplitude, of one direction: (H, W) each.

    The energy sums over the scales amplitude times cos(d) - |sin(d)|, d the phase less the mean phase.
    """
    total = responses.sum(axis=0)
    turned = responses * (total / (np.abs(total) + _SMALL)).conj()
    energy = (turned.real - np.abs(turned.imag)).sum(axis=0)
    amplitudes = np.abs(responses)
    energy = np.maximum(energy - noise * math.sqrt(np.median(amplitudes[0] ** 2)), 0)
    amplitude = amplitudes.sum(axis=0)
    width = amplitude / (amplitudes.max(axis=0) + _SMALL) / _SCALES
    return energy / (1 + np.exp(_STEEPNESS * (_CUT_OFF - width))), amplitude

"""Kovesi's phase congruency, written out for images with even sides: one filter and one pixel at a time."""

import cmath
import math

import numpy as np


def literal_phase_congruency(image, mixed=4.0):
    """Congruency, largest and smallest moment; `mixed` times the mixed moment over the directions."""
    rows, columns = image.shape
    spectrum = np.fft.fft2(image.astype(float))
    energies = np.zeros(image.shape)
    amplitudes = np.zeros(image.shape)
    moments = np.zeros((3, *image.shape))
    for direction in range(6):
        angle = direction * math.pi / 6
        responses, filters = [], []
        for scale in range(4):
            center = 1 / (3 * 2.1**scale)
            transfer = np.zeros(image.shape)
            for i, j in np.ndindex(rows, columns):
                y = (i if i < rows / 2 else i - rows) / rows
                x = (j if j < columns / 2 else j - columns) / columns
                r = math.hypot(x, y)
                if r == 0:
                    continue
                away = abs(cmath.phase(cmath.rect(1, math.atan2(-y, x) - angle)))
                transfer[i, j] = (
                    math.exp(-(math.log(r / center) ** 2) / (2 * math.log(0.55) ** 2))
                    / (1 + (r / 0.45) ** 30)
                    * math.exp(-(away**2) / (2 * (math.pi / 6 / 1.2) ** 2))
                )
            filters.append(transfer)
            responses.append(np.fft.ifft2(spectrum * transfer))
        power = -np.median(abs(responses[0]) ** 2) / math.log(0.5) / (filters[0] ** 2).sum()
        impulses = [np.fft.ifft2(transfer).real * math.sqrt(rows * columns) for transfer in filters]
        own = sum((impulse**2).sum() for impulse in impulses)
        shared = sum((impulses[i] * impulses[j]).sum() for j in range(4) for i in range(j))
        tau = math.sqrt((2 * power * own + 4 * power * shared) / 2)
        threshold = (tau * math.sqrt(math.pi / 2) + 2 * math.sqrt((2 - math.pi / 2) * tau**2)) / 1.7
        for place in np.ndindex(rows, columns):
            values = [response[place] for response in responses]
            total = sum(values)
            norm = abs(total) + 0.0001
            even, odd = total.real / norm, total.imag / norm
            energy = sum(z.real * even + z.imag * odd - abs(z.real * odd - z.imag * even) for z in values)
            size = sum(map(abs, values))
            width = size / (max(map(abs, values)) + 0.0001) / 4
            energy = max(energy - threshold, 0) / (1 + math.exp((0.5 - width) * 10))
            energies[place] += energy
            amplitudes[place] += size
            congruency = energy / size
            x, y = congruency * math.cos(angle), congruency * math.sin(angle)
            moments[:, *place] += x * x / 3, y * y / 3, mixed * x * y / 6
    xx, yy, xy = moments
    apart = np.sqrt(xy**2 + (xx - yy) ** 2) + 0.0001
    return energies / (amplitudes + 0.0001), (xx + yy + apart) / 2, (xx + yy - apart) / 2

"""Make `tensorflow_values.csv`: what SDNet and U2Fusion give in TensorFlow at pixels of real pairs.

In an environment of its own, with the authors' checkpoints (`.index` and `.data`) below NETWORKS:

    pip install tensorflow-cpu pillow && python tensorflow_values.py NETWORKS PAIRS > tensorflow_values.csv

Nothing of wdualmine is used: TensorFlow reads the checkpoints by the names of their variables and computes.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

SIDE = 64
CROPS = (  # task, folder of the first source, pair, top, left
    ("ct-mri", "CT-MRI/test/CT", "16009", 96, 60),
    ("pet-mri", "PET-MRI/test/PET", "25015", 90, 100),
    ("spect-mri", "SPECT-MRI/test/SPECT", "10018", 70, 96),
)
PIXELS = (
    (0, 0),
    (0, 31),
    (17, 0),
    (63, 63),
    (1, 62),
    (5, 40),
    (20, 20),
    (31, 32),
    (33, 9),
    (48, 50),
    (62, 3),
)


def luma(path: Path) -> np.ndarray:
    """Return the 8-bit luma of an image as OpenCV rounds it, in [0, 1]."""
    levels = np.asarray(Image.open(path)).astype(int)
    if levels.ndim == 3:
        levels = (levels @ np.array([4899, 9617, 1868]) + 2**13) >> 14
    return levels / 255


def convolve(x: tf.Tensor, kernel: np.ndarray, bias: np.ndarray, padding: str = "SAME") -> tf.Tensor:
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=1, padding=padding), bias)


def sdnet(folder: Path, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Follow Medical/test.py of HaoZhang1018/SDNet: a as "ir", b as "vi"."""
    reader = tf.train.load_checkpoint(str(folder / "sdnet/Medical.model-29"))

    def layer(x: tf.Tensor, number: int, source: str) -> tf.Tensor:
        place = f"fusion_model/layer{number}_{source}"
        kernel, bias = (reader.get_tensor(f"{place}/{kind}{number}_{source}") for kind in "wb")
        return convolve(x, kernel, bias)

    features: dict[str, list[tf.Tensor]] = {"ir": [], "vi": []}
    for source, image in (("ir", a), ("vi", b)):
        fed = 2 * image - 1
        for number in (1, 2, 3, 4):
            features[source].append(tf.nn.leaky_relu(layer(fed, number, source), 0.2))
            fed = tf.concat(features[source], axis=-1)
    both = [maps[k] for k in range(4) for maps in (features["ir"], features["vi"])]
    return tf.tanh(layer(tf.concat(both, axis=-1), 5, "fuse")) / 2 + 0.5


def u2fusion(folder: Path, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Follow Net.py of hanna-xu/U2Fusion."""
    reader = tf.train.load_checkpoint(str(folder / "u2fusion/model.ckpt"))

    def layer(x: tf.Tensor, place: str) -> tf.Tensor:
        kernel, bias = (reader.get_tensor(f"{place}/{kind}") for kind in ("kernel", "bias"))
        return convolve(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), kernel, bias, "VALID")

    x = tf.nn.leaky_relu(layer(tf.concat([a, b], axis=-1), "Generator/encoder/conv1_1"), 0.2)
    for number in range(1, 6):
        new = tf.nn.leaky_relu(layer(x, f"Generator/encoder/dense_block_conv{number}"), 0.2)
        x = tf.concat([new, x], axis=-1)
    for number in (1, 2, 3):
        x = tf.nn.leaky_relu(layer(x, f"Generator_1/decoder/conv2_{number}"), 0.2)
    return tf.tanh(layer(x, "Generator_1/decoder/conv2_4")) / 2 + 0.5


if __name__ == "__main__":
    networks, pairs = Path(sys.argv[1]), Path(sys.argv[2])
    print("system,task,pair,top,left,side,row,column,value")
    for task, first, pair, top, left in CROPS:
        paths = [pairs / folder / f"{pair}.png" for folder in (first, f"{first.rsplit('/', 1)[0]}/MRI")]
        images = [luma(path)[top : top + SIDE, left : left + SIDE] for path in paths]
        a, b = (tf.constant(image[None, :, :, None], tf.float32) for image in images)
        for network in (sdnet, u2fusion):
            fused = network(networks, a, b).numpy()[0, :, :, 0]
            for row, column in PIXELS:
                place = f"{network.__name__},{task},{pair},{top},{left},{SIDE},{row},{column}"
                print(f"{place},{fused[row, column]:.8f}")

"""Loads exports in the runtime they were made for, which knows nothing of what made them.

`python reload.py RUNTIME FOLDER`: each `*.npz` of FOLDER holds pictures `x0`, `x1`, … and what the network says to
them, `y0`, `y1`, …; beside it is the export of the same name. Prints the largest difference of each, as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(runtime: str, folder: Path) -> None:
    for package in ('jaxcolor', 'flax', *(() if runtime == 'stablehlo' else ('jax',))):
        sys.modules[package] = None  # importing it is an error
    load = {'stablehlo': load_stablehlo, 'savedmodel': load_savedmodel, 'onnx': load_onnx}[runtime]
    differences = {}
    for arrays in sorted(folder.glob('*.npz')):
        network = load(str(arrays.with_suffix(f'.{runtime}')))
        with np.load(arrays) as pictures:
            count = len(pictures.files) // 2
            differences[arrays.stem] = max(
                float(np.abs(np.asarray(network(pictures[f'x{i}'])) - pictures[f'y{i}']).max()) for i in range(count)
            )
    print(json.dumps(differences))


def load_stablehlo(path):
    from jax import export

    return export.deserialize(bytearray(Path(path).read_bytes())).call


def load_savedmodel(path):
    import tensorflow as tf

    model = tf.saved_model.load(path)
    picture = Path(path).with_suffix('.png')
    if picture.exists():
        files = tf.constant([picture.read_bytes(), tf.io.encode_png(np.zeros((21, 40, 1), np.uint8)).numpy()])
        colored, black = model.signatures['colorize'](image_bytes=files)['image_bytes'].numpy()
        picture.with_name('colored.png').write_bytes(colored)
        assert tf.io.decode_png(black).shape == (21, 40, 3)
        try:
            model.signatures['serving_default'](x=tf.zeros((1, 16, 17, 1)))
        except tf.errors.InvalidArgumentError as error:
            assert 'height and width must be multiples of 16' in str(error)
        else:
            raise AssertionError('a size that the network can not take was taken')
    serve = model.signatures['serving_default']
    return lambda x: serve(x=tf.constant(x))['y']


def load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda x: session.run(['y'], {'x': x})[0]


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]))

"""What the tensors of keras.applications' Xception are called in the two kinds of HDF5 files: keras_xception_names.txt.

    python tests/golden/make_keras_names.py        (needs keras, torch as its backend, and h5py)

A line per tensor: scheme (keras3: save_weights("*.weights.h5"); tf_keras: save("*.h5")), path, the attribute `name` of the group it lies in
(- where there is none), shape.
"""
import os
import pathlib
import tempfile

os.environ["KERAS_BACKEND"] = "torch"
import h5py
import keras

network = keras.applications.Xception(weights=None, classes=1000)
lines = []
with tempfile.TemporaryDirectory() as folder:
    network.save_weights(os.path.join(folder, "keras3.weights.h5"))
    network.save(os.path.join(folder, "tf_keras.h5"))
    for scheme, name in (("keras3", "keras3.weights.h5"), ("tf_keras", "tf_keras.h5")):
        with h5py.File(os.path.join(folder, name)) as file:

            def visit(path, item):
                if isinstance(item, h5py.Dataset) and item.shape:
                    lines.append(f"{scheme} {path} {item.parent.attrs.get('name', '-')} {'x'.join(map(str, item.shape))}\n")

            file.visititems(visit)
(pathlib.Path(__file__).parent / "keras_xception_names.txt").write_text("".join(lines))
print(len(lines), "tensors, keras", keras.__version__)

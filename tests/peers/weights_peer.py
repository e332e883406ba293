#!/usr/bin/env python3
"""Weight files against those who write them: for every format, `sepia convert` and `sepia predict` beside the writer's own forward.

  python tests/peers/weights_peer.py build/sepia FOLDER_OF_PICTURES

Needs torch, timm, keras (on its torch backend), h5py, safetensors, Pillow; says so and ends with 0 when one is absent. An Xception with
random weights, and batch statistics that are not 0 and 1, is written in each way that people have; the first eight pictures, cut to 256
and 299, go through both programs. Prints the largest difference of a logit over the largest logit; fails above 1e-4. Then the
round trip: PyTorch loads what sepia wrote, strictly, and must give the very same logits.
"""
import json
import os
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "torch"
try:
    import keras
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

SEPIA, FACES = sys.argv[1], sys.argv[2]
LIMIT = 1e-4
rng = np.random.default_rng(1)
torch.manual_seed(1)
folder = tempfile.mkdtemp(prefix="sepia-peer-")
worst = 0.0


def pictures(size):
    """Eight real pictures as PNG files of this size and as an array (N, H, W, 3) in [-1, 1]."""
    paths, arrays = [], []
    for name in sorted(os.listdir(FACES))[:8]:
        picture = Image.open(os.path.join(FACES, name)).convert("RGB").resize((size, size), Image.BICUBIC)
        paths.append(os.path.join(folder, f"{size}_{name}.png"))
        picture.save(paths[-1])
        arrays.append(np.asarray(picture, dtype=np.float32) / 127.5 - 1)
    return paths, np.stack(arrays)


def sepia(*arguments):
    done = subprocess.run([SEPIA, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"sepia {' '.join(arguments)}: {done.returncode}: {done.stderr}")
    return done.stdout


def check(name, source, forward, *options):
    """Converts `source` and compares logits with forward(pictures) at both sizes."""
    global worst
    target = os.path.join(folder, name + ".safetensors")
    report = json.loads(sepia("convert", source, target, "--arch", "xception", "--json", *options))
    for size in (256, 299):
        paths, arrays = pictures(size)
        lines = sepia("predict", *paths, "-m", target, "--image-size", str(size), "--json", "--device", "cpu").splitlines()
        ours = np.array([json.loads(line)["logits"] for line in lines])
        theirs = forward(arrays)
        difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
        worst = max(worst, difference)
        print(f"{name:<22} {size}  loaded {report['loaded']}  largest logit {np.abs(theirs).max():.3f}  relative difference {difference:.2e}", flush=True)
    return target


def torch_forward(model):
    @torch.no_grad()
    def forward(arrays):
        return model.eval()(torch.from_numpy(arrays).permute(0, 3, 1, 2)).numpy()

    return forward


def settle(model):
    """Batch statistics of the pictures, then every batch norm moved away from 0 and 1."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.from_numpy(pictures(256)[1]).permute(0, 3, 1, 2))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.7, 1.3)
                module.bias.uniform_(-0.2, 0.2)
                module.momentum = None
    return model.eval()


model = settle(timm.create_model("legacy_xception", num_classes=2))
forward, state = torch_forward(model), model.state_dict()


def write(name, value, **options):
    path = os.path.join(folder, name + ".pth")
    torch.save(value, path, **options)
    return path


def renamed(prefix, head="fc."):
    return {prefix + (head + key[3:] if key.startswith("fc.") else key): value for key, value in state.items()}


round_trip = check("zip", write("zip", state), forward)
check("legacy", write("legacy", state, _use_new_zipfile_serialization=False), forward)
check("module", write("module", renamed("module.")), forward)
check("last_linear", write("last_linear", renamed("", "last_linear.")), forward)
detector = renamed("module.backbone.", "last_linear.1.")
detector["module.backbone.adjust_channel.0.weight"] = torch.zeros(512, 2048, 1, 1)
check("detector", write("detector", detector), forward)
check("checkpoint", write("checkpoint", {"model": state, "val_acc": 0.97, "epoch": 4}), forward)
squeezed = {key: value.squeeze(3).squeeze(2) if "pointwise" in key else value.squeeze(1) if value.dim() == 4 and value.shape[1] == 1 else value for key, value in state.items()}
check("2-D and 3-D", write("squeezed", squeezed), forward)
swapped = dict(state)
swapped["fc.weight"], swapped["fc.bias"] = state["fc.weight"].flip(0), state["fc.bias"].flip(0)
check("fake,real", write("swapped", swapped), forward, "--label-order", "fake,real")
save_file({key: value.contiguous() for key, value in state.items()}, os.path.join(folder, "timm.in.safetensors"))
check("safetensors", os.path.join(folder, "timm.in.safetensors"), forward)
half = timm.create_model("legacy_xception", num_classes=2)
rounded = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
half.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in rounded.items()})
check("half", write("half", rounded), torch_forward(half))

loaded = timm.create_model("legacy_xception", num_classes=2)
loaded.load_state_dict(load_file(round_trip), strict=True)
same = bool((torch_forward(loaded)(pictures(256)[1]) == forward(pictures(256)[1])).all())
print(f"round trip: PyTorch loads sepia's file with strict=True, logits identical: {same}")

weights = None
for size in (256, 299):
    network = keras.applications.Xception(weights=None, classes=2, classifier_activation=None, input_shape=(size, size, 3))
    if weights is None:
        weights = []
        for weight in network.weights:
            kind, shape = weight.path.split("/")[-1], tuple(weight.shape)
            low, high = {"gamma": (0.7, 1.3), "beta": (-0.2, 0.2), "moving_mean": (-0.3, 0.3), "moving_variance": (0.3, 1.5)}.get(kind, (0, 0))
            weights.append(rng.uniform(low, high, shape).astype(np.float32) if high else np.array(keras.ops.convert_to_numpy(weight)))
        network.set_weights(weights)
        network.save_weights(os.path.join(folder, "keras3.weights.h5"))
        network.save(os.path.join(folder, "tf_keras.h5"))
    network.set_weights(weights)
    if size == 256:
        by_size = {}
    by_size[size] = network


def keras_forward(arrays):
    return keras.ops.convert_to_numpy(by_size[arrays.shape[1]](arrays, training=False))


check("Keras 3 .weights.h5", os.path.join(folder, "keras3.weights.h5"), keras_forward)
check("Keras .h5", os.path.join(folder, "tf_keras.h5"), keras_forward)
print(f"largest relative difference {worst:.2e}, limit {LIMIT:.0e}")
sys.exit(0 if worst <= LIMIT and same else 1)

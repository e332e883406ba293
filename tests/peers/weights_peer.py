#!/usr/bin/env python3
"""Weight files against those who write them: for every format, `sepia convert` and `sepia predict` beside the writer's own forward.

  python tests/peers/weights_peer.py build/sepia FOLDER_OF_PICTURES [--classes 2,1000] [--writers pytorch,keras]

Needs torch, timm, keras (on its torch backend), h5py, safetensors, Pillow, and network_probe beside sepia; says so and ends with 0 when a
package is absent. An Xception with random weights, and batch statistics that are not 0 and 1, is written in each way that people have;
the first eight pictures, cut to 256 and 299, go through both programs. The head is scaled so that the largest logit is 8 and their mean
over the pictures is 0: a logit is then the difference of pictures, not what they have in common. Prints the largest difference of a logit
over the largest logit, and of the output of each stem, block and pooling layer over its largest element; fails above 1e-4. Then the
round trip: PyTorch loads what sepia wrote, strictly, and must give the very same logits.
"""
import argparse
import json
import os
import pathlib
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
    from safetensors.numpy import load_file as load_arrays
    from safetensors.torch import load_file
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

LIMIT, SIZES, LARGEST_LOGIT = 1e-4, (256, 299), 8.0
LAYERS = ["act2"] + [f"block{number}" for number in range(1, 13)] + ["act3", "act4", "global_pool"]
KERAS_LAYERS = {"act2": "block1_conv2_act", "act3": "block14_sepconv1_act", "act4": "block14_sepconv2_act", "global_pool": "avg_pool"}

parser = argparse.ArgumentParser(description="Weight files of PyTorch and Keras; see the head of this file.")
parser.add_argument("sepia")
parser.add_argument("faces")
parser.add_argument("--classes", default="2,1000")
parser.add_argument("--writers", default="pytorch,keras")
args = parser.parse_args()
PROBE = pathlib.Path(args.sepia).resolve().parent / "network_probe"
rng = np.random.default_rng(1)
torch.manual_seed(1)
scratch = tempfile.TemporaryDirectory(prefix="sepia-peer-")
folder = scratch.name
worst = {"logit": 0.0, "layer": 0.0}


def pictures(size):
    """Eight real pictures as PNG files of this size and as an array (N, H, W, 3) in [-1, 1]."""
    paths, arrays = [], []
    for name in sorted(os.listdir(args.faces))[:8]:
        picture = Image.open(os.path.join(args.faces, name)).convert("RGB").resize((size, size), Image.BICUBIC)
        paths.append(os.path.join(folder, f"{size}_{name}.png"))
        picture.save(paths[-1])
        arrays.append(np.asarray(picture, dtype=np.float32) / 127.5 - 1)
    return paths, np.stack(arrays)


PICTURES = {size: pictures(size) for size in SIZES}


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}: {done.stderr}")
    return done.stdout


def distance(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def check(name, source, reference, *options):
    """Converts `source` and compares with reference(size) -> {"logits", layers...} at both sizes. Returns the file and the report."""
    target = os.path.join(folder, "out.safetensors")
    report = json.loads(run(args.sepia, "convert", source, target, "--arch", "xception", "--json", "--overwrite", *options))
    for size in SIZES:
        paths, theirs = PICTURES[size][0], reference(size)
        lines = run(args.sepia, "predict", *paths, "-m", target, "--image-size", size, "--json", "--device", "cpu").splitlines()
        logits = distance(np.array([json.loads(line)["logits"] for line in lines]), theirs["logits"])
        run(PROBE, "layers", target, os.path.join(folder, "layers.safetensors"), size, ",".join(LAYERS), *paths)
        ours = load_arrays(os.path.join(folder, "layers.safetensors"))
        layers = {layer: distance(ours[layer], theirs[layer]) for layer in LAYERS}
        layer = max(layers, key=layers.get)
        worst["logit"], worst["layer"] = max(worst["logit"], logits), max(worst["layer"], layers[layer])
        print(f"{name:<20} {theirs['logits'].shape[1]:>4} classes {size}  loaded {report['loaded']}  logits {logits:.2e}  "
              f"layers {layers[layer]:.2e} ({layer})", flush=True)
    os.remove(source)
    return target, report


def torch_reference(model):
    model.eval()
    kept = {}

    def reference(size):
        if size not in kept:
            seen = {}
            hooks = [model.get_submodule(name).register_forward_hook(lambda _m, _x, y, name=name: seen.update({name: y.detach().clone()})) for name in LAYERS]
            with torch.no_grad():
                seen["logits"] = model(torch.from_numpy(PICTURES[size][1]).permute(0, 3, 1, 2))
            for hook in hooks:
                hook.remove()
            kept[size] = {name: (y.permute(0, 2, 3, 1) if y.dim() == 4 else y).numpy() for name, y in seen.items()}
        return kept[size]

    return reference


def settle(model):
    """Batch statistics of the pictures, every batch norm moved away from 0 and 1, and a head whose logits tell pictures apart."""
    x = torch.from_numpy(PICTURES[256][1]).permute(0, 3, 1, 2)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.7, 1.3)
                module.bias.uniform_(-0.2, 0.2)
                module.momentum = None  # the mean over the batches
        model.train()(x)
        logits = model.eval()(x) - model.fc.bias
        mean = logits.mean(0)
        scale = LARGEST_LOGIT / (logits - mean).abs().max()
        model.fc.weight.mul_(scale)
        model.fc.bias.copy_(-mean * scale)
    return model


def write(name, value, **options):
    path = os.path.join(folder, name + ".pth")
    torch.save(value, path, **options)
    return path


def peer_pytorch(classes):
    model = settle(timm.create_model("legacy_xception", num_classes=classes))
    reference, state = torch_reference(model), model.state_dict()

    def renamed(prefix, head="fc."):
        return {prefix + (head + key[3:] if key.startswith("fc.") else key): value for key, value in state.items()}

    round_trip, _ = check("zip", write("zip", state), reference)
    loaded = timm.create_model("legacy_xception", num_classes=classes)
    loaded.load_state_dict(load_file(round_trip), strict=True)
    same = all((torch_reference(loaded)(size)["logits"] == reference(size)["logits"]).all() for size in SIZES)
    print(f"round trip: PyTorch loads sepia's file with strict=True, logits identical: {same}", flush=True)
    if not same:
        sys.exit(1)
    check("legacy", write("legacy", state, _use_new_zipfile_serialization=False), reference)
    check("module.", write("module", renamed("module.")), reference)
    check("last_linear", write("last_linear", renamed("", "last_linear.")), reference)
    _, report = check("checkpoint", write("checkpoint", {"model": state, "val_acc": np.float64(0.97), "epoch": 4}), reference)
    assert report["values"] == {"val_acc": "0.97", "epoch": "4"}, report["values"]
    squeezed = {key: value.squeeze(3).squeeze(2) if "pointwise" in key else value.squeeze(1) if value.dim() == 4 and value.shape[1] == 1 else value
                for key, value in state.items()}
    check("2-D and 3-D", write("squeezed", squeezed), reference)
    save_file({key: value.contiguous() for key, value in state.items()}, os.path.join(folder, "timm.safetensors"))
    check("safetensors", os.path.join(folder, "timm.safetensors"), reference)
    rounded = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    half = timm.create_model("legacy_xception", num_classes=classes)
    half.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in rounded.items()})
    check("half", write("half", rounded), torch_reference(half))
    if classes != 2:
        return
    detector = renamed("module.backbone.", "last_linear.1.")
    detector["module.backbone.adjust_channel.0.weight"] = torch.zeros(512, 2048, 1, 1)
    check("detector", write("detector", detector), reference)
    swapped = dict(state)
    swapped["fc.weight"], swapped["fc.bias"] = state["fc.weight"].flip(0), state["fc.bias"].flip(0)
    check("fake,real", write("swapped", swapped), reference, "--label-order", "fake,real")


def keras_network(size, classes):
    return keras.applications.Xception(weights=None, classes=classes, classifier_activation=None, input_shape=(size, size, 3))


def keras_weights(classes):
    """What settle() does."""
    network = keras_network(256, classes)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape).astype(np.float32))
            layer.beta.assign(rng.uniform(-0.2, 0.2, layer.beta.shape).astype(np.float32))
            layer.momentum = 0.0  # the statistics of the batch that comes now
    network(PICTURES[256][1], training=True)
    weights = [np.array(keras.ops.convert_to_numpy(weight)) for weight in network.weights]
    logits = keras.ops.convert_to_numpy(network(PICTURES[256][1], training=False))
    scale = LARGEST_LOGIT / np.abs(logits - logits.mean(0)).max()
    assert [weight.path.split("/")[-1] for weight in network.weights][-2:] == ["kernel", "bias"]
    weights[-2], weights[-1] = weights[-2] * scale, -logits.mean(0) * scale
    return weights


def peer_keras(classes):
    weights, networks = keras_weights(classes), {}
    for size in SIZES:
        network = keras_network(size, classes)
        network.set_weights(weights)
        adds = [layer.name for layer in network.layers if isinstance(layer, keras.layers.Add)]
        names = {**KERAS_LAYERS, **{f"block{number}": name for number, name in enumerate(adds, 1)}}
        taps = {layer: network.get_layer(names[layer]).output for layer in LAYERS}
        networks[size] = keras.Model(network.inputs, {**taps, "logits": network.output})
        if size == 256:
            network.save_weights(os.path.join(folder, "keras3.weights.h5"))
            network.save(os.path.join(folder, "tf_keras.h5"))

    def reference(size):
        outputs = networks[size](PICTURES[size][1], training=False)
        return {name: keras.ops.convert_to_numpy(y) for name, y in outputs.items()}

    check("Keras 3 .weights.h5", os.path.join(folder, "keras3.weights.h5"), reference)
    check("Keras .h5", os.path.join(folder, "tf_keras.h5"), reference)


with torch.no_grad():
    for number in map(int, args.classes.split(",")):
        for writer in args.writers.split(","):
            {"pytorch": peer_pytorch, "keras": peer_keras}[writer](number)
print(f"largest relative difference: logits {worst['logit']:.2e}, layers {worst['layer']:.2e}; limit {LIMIT:.0e}")
sys.exit(0 if max(worst.values()) <= LIMIT else 1)

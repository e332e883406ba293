#!/usr/bin/env python3
"""Transfer learning on photographs: a frozen backbone does not change by one bit, the head learns, and everything can be fine-tuned.

  python tests/peers/transfer_peer.py build/sepia DATA [--epochs 3] [--image-size 256]

Needs torch, timm, safetensors, Pillow; says so and ends with 0 when one is absent. DATA holds train/{real,fake} and val/{real,fake}. An
Xception of timm with random weights and the batch statistics of pictures stands for published weights: `sepia convert`, then
`sepia train xception_based --pretrained X --freeze backbone`, then one epoch with nothing frozen from there. Exit 1 unless every tensor
of the backbone in best and last.safetensors has X's bytes and the head has moved, the training loss falls in the first run,
and every weight moves in the second.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from safetensors import safe_open
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

parser = argparse.ArgumentParser(description="Transfer learning on photographs; see the head of this file.")
parser.add_argument("sepia")
parser.add_argument("data", type=pathlib.Path)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--image-size", type=int, default=256)
args = parser.parse_args()
scratch = tempfile.TemporaryDirectory(prefix="sepia-peer-")
folder = pathlib.Path(scratch.name)
failures = []


def expect(holds, what):
    print(("yes: " if holds else "NO: ") + what, flush=True)
    if not holds:
        failures.append(what)


def sepia(*words):
    subprocess.run([args.sepia, *map(str, words)], check=True)


def published():
    """The stand-in for weights that others have trained."""
    torch.manual_seed(5)
    model = timm.create_model("legacy_xception", num_classes=1000).train()
    paths = [path for label in ("real", "fake") for path in sorted((args.data / "train" / label).iterdir())[:8]]
    pixels = [np.asarray(Image.open(path).convert("RGB").resize((args.image_size,) * 2), dtype=np.float32) / 127.5 - 1 for path in paths]
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))
    torch.save(model.state_dict(), folder / "timm.pth")
    sepia("convert", folder / "timm.pth", folder / "x.safetensors", "--arch", "xception")
    return folder / "x.safetensors"


def tensors(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if not name.startswith("optim.")}


def moved(before, after, names):
    return sum(not torch.equal(before[name], after[name]) for name in names)


def losses(run):
    return json.loads((run / "log.json").read_text())["train_loss"]


def main():
    start = published()
    common = ("--data", args.data, "--image-size", args.image_size)
    sepia("train", "xception_based", *common, "--out", folder / "head", "--pretrained", start, "--freeze", "backbone", "--epochs", args.epochs)
    x = tensors(start)
    for name in ("best", "last"):
        trained = tensors(folder / "head" / f"{name}.safetensors")
        backbone = [tensor for tensor in x if not tensor.startswith("fc.")]
        expect(len(backbone) == 274 and moved(x, trained, backbone) == 0, f"all {len(backbone)} tensors of the backbone in {name}.safetensors have the bytes of the weights given")
        head = {"fc.0.weight": x["fc.weight"], "fc.0.bias": x["fc.bias"]}
        expect(moved(head, trained, head) == 2, f"the head in {name}.safetensors began with the fc given and has moved")
    curve = losses(folder / "head")
    expect(curve[-1] < curve[0] < np.log(2), "the training loss falls from below ln 2: " + ", ".join(f"{loss:.4f}" for loss in curve))

    sepia("train", "xception_based", *common, "--out", folder / "all", "--pretrained", folder / "head", "--head-lr", "1e-3", "--backbone-lr", "1e-4", "--epochs", 1)
    before, after = tensors(folder / "head" / "best.safetensors"), tensors(folder / "all" / "last.safetensors")
    weights = [name for name in after if name.endswith((".weight", ".bias"))]
    expect(moved(before, after, weights) == len(weights), f"with nothing frozen all {len(weights)} weights move; training loss {losses(folder / 'all')[0]:.4f}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Training steps of the whole Xception: how far sepia's float32 lies from PyTorch's float64, beside how far PyTorch's float32 does.

  python tests/peers/training_peer.py build/sepia FOLDER [--size 256] [--pictures 4] [--steps 5]

Needs torch, timm, safetensors, Pillow, and network_probe beside sepia; says so and ends with 0 when a package is absent. FOLDER holds
real/ and fake/. The same batch, again and again, with Adam (lr 1e-3), from the same random weights; exact arithmetic would give every
order of the pictures in the batch the same numbers, so that the spread over the orders is what chance does in float32. Per order: the largest
difference of a loss; of the norm of the whole gradient, relative, over the steps; of the norm of one tensor's gradient in the first step,
relative, the median and the largest over the tensors; and of the first gradient itself (L2, relative). Exit 1 when a median over the
orders is more than 4 times PyTorch's.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import timm
    import torch
    import torch.nn.functional as F
    from PIL import Image
    from safetensors.numpy import load_file as load_arrays
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

RATIO, LR = 4.0, 1e-3

parser = argparse.ArgumentParser(description="Training steps of the whole Xception beside PyTorch's; see the head of this file.")
parser.add_argument("sepia")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--size", type=int, default=256)
parser.add_argument("--pictures", type=int, default=4)
parser.add_argument("--steps", type=int, default=5)
args = parser.parse_args()
PROBE = pathlib.Path(args.sepia).resolve().parent / "network_probe"
torch.manual_seed(3)
START = timm.create_model("legacy_xception", num_classes=2)
scratch = tempfile.TemporaryDirectory(prefix="sepia-peer-")
folder = pathlib.Path(scratch.name)


def batch():
    """Real and fake pictures in turn: paths of PNG files of the size asked for, pixels (N, 3, H, W) in double, labels."""
    paths, values, labels = [], [], []
    for i in range(args.pictures):
        source = sorted((args.folder / ("real", "fake")[i % 2]).iterdir())[i // 2]
        picture = Image.open(source).convert("RGB").resize((args.size, args.size), Image.BICUBIC)
        paths.append(folder / f"{i}.png")
        picture.save(paths[-1])
        values.append(np.asarray(picture, dtype=np.float64) / 127.5 - 1)
        labels.append(i % 2)
    return paths, torch.from_numpy(np.stack(values)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


PATHS, X, Y = batch()
ORDERS = [list(range(args.pictures)), list(range(args.pictures))[::-1], list(range(1, args.pictures)) + [0]]


def run_torch(dtype, order):
    model = timm.create_model("legacy_xception", num_classes=2)
    model.load_state_dict(START.state_dict())
    model.to(dtype).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    losses, norms, first = [], [], {}
    for step in range(args.steps):
        loss = F.cross_entropy(model(X[order].to(dtype)), Y[order])
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append({name: p.grad.double().norm().item() for name, p in model.named_parameters()})
        if step == 0:
            first = {name: p.grad.double().numpy().copy() for name, p in model.named_parameters()}
        optimizer.step()
    return losses, norms, first


def run_sepia(weights, order):
    out = folder / "gradients.safetensors"
    command = [PROBE, "steps", weights, out, args.size, args.steps, LR, *(f"{Y[i]}={PATHS[i]}" for i in order)]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["loss"] for line in lines], [line["gradient_norms"] for line in lines], load_arrays(out)


def total(norms):
    return sum(norm**2 for norm in norms.values()) ** 0.5


def distances(run, exact):
    """One number per quantity of the table."""
    (losses, norms, first), (exact_losses, exact_norms, exact_first) = run, exact
    each = [abs(norms[0][name] - norm) / norm for name, norm in exact_norms[0].items()]
    error = sum(float(((first[name].astype(np.float64) - value) ** 2).sum()) for name, value in exact_first.items()) ** 0.5
    return {
        "loss, largest over the steps": max(abs(a - b) for a, b in zip(losses, exact_losses)),
        "norm of the whole gradient, first step, relative": abs(total(norms[0]) / total(exact_norms[0]) - 1),
        "norm of the whole gradient, largest over the steps, relative": max(abs(total(a) / total(b) - 1) for a, b in zip(norms, exact_norms)),
        "norm of a tensor's gradient, first step, relative, median": statistics.median(each),
        "norm of a tensor's gradient, first step, relative, largest": max(each),
        "gradient of the first step, L2, relative": error / total(exact_norms[0]),
    }


def main():
    torch.set_num_threads(2)
    weights = folder / "start.safetensors"
    save_file({k: v.contiguous() for k, v in START.state_dict().items()}, folder / "timm.safetensors", metadata={"format": "pt"})
    subprocess.run([args.sepia, "convert", folder / "timm.safetensors", weights, "--arch", "xception"], stdout=subprocess.DEVNULL, check=True)
    exact = run_torch(torch.float64, ORDERS[0])
    print("losses in float64: " + ", ".join(f"{loss:.6f}" for loss in exact[0]), flush=True)
    ours, theirs = [], []
    for order in ORDERS:
        ours.append(distances(run_sepia(weights, order), exact))
        theirs.append(distances(run_torch(torch.float32, order), exact))
    worst = 0.0
    print(f"{args.pictures} pictures of {args.size}, medians over {len(ORDERS)} orders (lowest to highest):")
    for name in ours[0]:
        a, b = [row[name] for row in ours], [row[name] for row in theirs]
        ratio = statistics.median(a) / statistics.median(b)
        worst = max(worst, ratio)
        print(f"  {name}: sepia {statistics.median(a):.2e} ({min(a):.2e} to {max(a):.2e}), PyTorch float32 {statistics.median(b):.2e} "
              f"({min(b):.2e} to {max(b):.2e}), ratio {ratio:.2f}")
    sys.exit(worst > RATIO)


if __name__ == "__main__":
    main()

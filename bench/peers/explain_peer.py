"""Grad-CAM of 36 pictures by sepia's command and by pytorch-grad-cam with the same weights, in turn.

    python bench/peers/explain_peer.py build/sepia WEIGHTS.safetensors PICTURES...      (edgenet or simplenet weights; needs torch, grad-cam)

sepia's time is that of the whole process: start, weights, decoding, maps, and writing 36 arrays and figures; `--batch-size` as given.
The peer's is the call alone, pictures decoded and network built already, in one batch.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import pathlib

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from counter_formula import MEAN, STD  # noqa: E402
from networks import build  # noqa: E402


def main():
    sepia, weights, pictures = sys.argv[1], sys.argv[2], sys.argv[3:39]
    state = load_file(weights)
    name = "simplenet" if "conv1.weight" in state else "edgenet"
    model = build(name, 256)
    model.load_state_dict(state, strict=True)
    model.eval()
    torch.set_num_threads(2)
    pixels = np.stack([np.array(Image.open(p).convert("RGB").resize((256, 256))) for p in pictures]).transpose(0, 3, 1, 2)
    x = ((torch.from_numpy(pixels).float() / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).float()
    cam = GradCAM(model=model, target_layers=[model.conv3 if name == "simplenet" else model.blocks[2]])
    ours, theirs = [], []
    for turn in range(6):
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            subprocess.run([sepia, "explain", *pictures, "-m", weights, "--threads", "2", "--out", out], check=True, capture_output=True)
            ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        cam(input_tensor=x, targets=[ClassifierOutputTarget(1)] * len(pictures))
        theirs.append(time.perf_counter() - begin)
        print(f"{name} round {turn}: sepia {ours[-1]:.3f} s, pytorch-grad-cam {theirs[-1]:.3f} s, ratio {theirs[-1] / ours[-1]:.2f}", flush=True)
    ratios = [b / a for a, b in zip(ours, theirs)][1:]
    print(f"{name}: {len(pictures)} pictures, sepia {statistics.median(ours[1:]):.3f} s (whole command), peer {statistics.median(theirs[1:]):.3f} s, "
          f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()

"""Grad-CAM of 36 pictures by sepia's command and by pytorch-grad-cam, in turn.

    python bench/peers/explain_peer.py build/sepia DATA edgenet,simplenet        (needs torch, grad-cam and pillow)

sepia's time is that of the whole process, `sepia explain --figure grid36`: start, weights, decoding, maps, and the figure as SVG and PNG.
The peer's is the call alone, in one batch, pictures decoded and network built before. Weights are untrained: no time depends on them.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from counter_formula import MEAN, STD  # noqa: E402
from networks import build  # noqa: E402


def compare(sepia, data, name, rounds=4):
    model = build(name, 256).eval()
    pictures = sorted(pathlib.Path(data, "test").glob("*/*.png"))[:36]
    pixels = np.stack([np.array(Image.open(p).convert("RGB").resize((256, 256))) for p in pictures]).transpose(0, 3, 1, 2)
    x = ((torch.from_numpy(pixels).float() / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).float()
    cam = GradCAM(model=model, target_layers=[model.conv3 if name == "simplenet" else model.blocks[2]])
    ours, theirs = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            subprocess.run([sepia, "explain", "-m", name, "--data", data, "--figure", "grid36", "-b", "12", "--threads", "2", "--out", out], check=True, capture_output=True)
            ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        cam(input_tensor=x, targets=[ClassifierOutputTarget(1)] * len(pictures))
        theirs.append(time.perf_counter() - begin)
    ratios = [b / a for a, b in zip(ours, theirs)]
    print(f"{name}: sepia {min(ours):.2f} to {max(ours):.2f} s (whole command), peer {min(theirs):.2f} to {max(theirs):.2f} s, ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main():
    torch.set_num_threads(2)
    for name in sys.argv[3].split(","):
        compare(sys.argv[1], sys.argv[2], name)


if __name__ == "__main__":
    main()

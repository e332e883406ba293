"""Float64 loss curves at the real size: curves.json, the yardstick of float32 training.

    python tests/golden/make_curve_goldens.py        (needs torch and numpy; about ten minutes on two cores, 4 GB)

The run of make_training_goldens.py with pictures of 256 x 256 and batches of 32, losses only. Float32 runs drift from the float64
curve by chance: a ReLU or pooling window flips to the other side, and Adam makes a step of it. So the float32 run is done in
several orders of the pictures within each batch, which change nothing but roundings, and the median distance is what counts.
"""

import json
import pathlib
import statistics
import time

import torch

from make_training_goldens import distance, train

SETUP = {"image_size": 256, "batch_size": 32, "batches": 4, "steps": 20}
ORDERS = ("as_is", "reverse", "rotate_8", "rotate_16", "rotate_24")

if __name__ == "__main__":
    torch.set_num_threads(2)
    curves = {"made_by": "make_curve_goldens.py, PyTorch " + torch.__version__, "setup": SETUP}
    for name in ("edgenet", "simplenet"):
        begin = time.time()
        losses = train(name, SETUP, torch.float64)[0]
        fp32 = {order: train(name, SETUP, torch.float32, order=order)[0] for order in ORDERS}
        distances = {order: distance(losses, curve) for order, curve in fp32.items()}
        channels_last = distance(losses, train(name, SETUP, torch.float32, channels_last=True)[0])
        curves[name] = {
            "losses": losses,
            "torch_fp32_losses": fp32["as_is"],
            "torch_fp32_distance": distances["as_is"],
            "torch_fp32_distances": distances,
            "torch_fp32_distance_median": statistics.median(distances.values()),
            "torch_fp32_distance_channels_last": channels_last,
        }
        print(name, round(time.time() - begin), "s", losses, curves[name]["torch_fp32_distances"], channels_last, flush=True)
    (pathlib.Path(__file__).parent / "curves.json").write_text(json.dumps(curves, indent=1, allow_nan=False) + "\n")

"""PyTorch float64 training of simplenet and edgenet from the counter formula: training_simplenet.json, training_edgenet.json.

    python tests/golden/make_training_goldens.py        (needs torch and numpy; about ten seconds)

The run: weights, pixels and labels by counter_formula.py; step s (from 0) trains on batch s mod `batches`; Adam (lr 1e-3, betas
0.9 and 0.999, eps 1e-8), cross-entropy (mean), train mode, no augmentation. What each file holds is in README.md.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from counter_formula import batch, signed_unit
from networks import build, initialise, parameter_table

SETUPS = {
    "simplenet": {"image_size": 64, "batch_size": 4, "batches": 4, "steps": 20},
    "edgenet": {"image_size": 64, "batch_size": 8, "batches": 4, "steps": 20},
}
SAMPLES = 96
PROJECTION = 1000  # parameter p's gradient is projected on signed_unit(PROJECTION + p, i)


def digest(tensor, projection_number):
    """All elements of a small tensor; of a large one samples at a fixed stride, and sums that every element enters."""
    flat = tensor.detach().double().reshape(-1).numpy()
    stride = max(1, -(-flat.size // SAMPLES))
    return {
        "shape": list(tensor.shape),
        "sum": math.fsum(flat),
        "sum_squares": math.fsum(flat * flat),
        "projection": math.fsum(flat * signed_unit(projection_number, flat.size)),
        "max_abs": float(np.abs(flat).max()),
        "stride": stride,
        "samples": [float(v) for v in flat[::stride]],
    }


def reordered(t, order):
    """The pictures of a batch: as_is, reverse, or rotate_K (picture i of the new batch is picture (i + K) mod N of the old)."""
    if order == "reverse":
        return t.flip(0)
    return t.roll(-int(order.removeprefix("rotate_")), 0) if order != "as_is" else t


def train(name, setup, dtype, channels_last=False, mkldnn=True, order="as_is", nudge=0.0):
    model = initialise(build(name, setup["image_size"]).to(dtype))
    if nudge:
        with torch.no_grad():
            for p, t in enumerate(model.parameters()):
                t.mul_(1.0 + nudge * torch.from_numpy(signed_unit(2000 + p, t.numel()).reshape(t.shape)))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    data = []
    for index in range(setup["batches"]):
        x, y = batch(index, setup["batch_size"], setup["image_size"])
        x, y = torch.from_numpy(x).to(dtype), torch.from_numpy(y).long()
        x, y = reordered(x, order), reordered(y, order)
        data.append((x.to(memory_format=torch.channels_last) if channels_last else x, y))
    losses, first = [], {}
    with torch.backends.mkldnn.flags(enabled=mkldnn):
        model.train()
        for step in range(setup["steps"]):
            x, y = data[step % len(data)]
            logits = model(x)
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                first = {"logits": logits.detach(), "gradients": [p.grad.clone() for p in model.parameters()]}
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            eval_logits = model(data[0][0])
    return losses, first, model, eval_logits


def distance(a, b):
    return max(abs(u - v) for u, v in zip(a, b))


def make(name, setup):
    losses, first, model, eval_logits = train(name, setup, torch.float64)
    variants = {
        "eager": {},
        "channels_last": {"channels_last": True},
        "without_onednn": {"mkldnn": False},
        "pictures_in_reverse": {"order": "reverse"},
        "channels_last_pictures_in_reverse": {"channels_last": True, "order": "reverse"},
    }
    fp32 = {key: train(name, setup, torch.float32, **options)[0] for key, options in variants.items()}
    nudged = train(name, setup, torch.float64, nudge=1e-15)[0]
    reversed64 = train(name, setup, torch.float64, order="reverse")[0]
    table = parameter_table(model)
    parameters = list(model.parameters())
    return {
        "model": name,
        "made_by": "make_training_goldens.py, PyTorch " + torch.__version__,
        "setup": setup,
        "optimizer": {"name": "adam", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        "labels": [[int(v) for v in batch(i, setup["batch_size"], setup["image_size"])[1]] for i in range(setup["batches"])],
        "losses": losses,
        "first_step_logits": first["logits"].tolist(),
        "eval_logits_after_training": eval_logits.tolist(),
        "parameters": table,
        "first_step_gradients": {r["name"]: digest(g, PROJECTION + r["number"]) for r, g in zip(table, first["gradients"])},
        "final_parameters": {r["name"]: digest(p, PROJECTION + r["number"]) for r, p in zip(table, parameters)},
        "final_buffers": {n: (int(b) if b.dim() == 0 else b.tolist()) for n, b in model.named_buffers()},
        "torch_fp32_losses": fp32["eager"],
        "torch_fp32_distance": distance(losses, fp32["eager"]),
        "torch_fp32_distances": {key: distance(losses, curve) for key, curve in fp32.items()},
        "torch_fp64_distance_weights_nudged_1e-15": distance(losses, nudged),
        "torch_fp64_distance_pictures_in_reverse": distance(losses, reversed64),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    for name, setup in SETUPS.items():
        golden = make(name, setup)
        path = here / f"training_{name}.json"
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False, separators=(',', ':'))}" for k, v in golden.items())
        path.write_text("{\n" + lines + "\n}\n")
        print(path.name, path.stat().st_size, "bytes", golden["losses"], golden["labels"], golden["torch_fp32_distances"],
              {k: v for k, v in golden.items() if "fp64" in k})

"""A narrow xception_based in PyTorch float64: xception_narrow.json; and the names of the whole one: xception_names.txt.

    python tests/golden/make_xception_goldens.py        (needs torch, numpy and timm; about a minute)

The networks stand in xception.py, which is first held against timm's legacy_xception: the same names, shapes and outputs. The
narrow one has every width divided by `width_divisor`; weights, pixels and labels are counter_formula.py's, running statistic number
b (named_buffers() without num_batches_tracked, from 0) is parameter 3000 + b of kind bn_bias (mean) or bn_weight (variance).
"""

import json
import pathlib
import statistics

import numpy as np
import timm
import torch
import torch.nn.functional as F

import make_training_goldens
from counter_formula import batch, parameter
from make_training_goldens import PROJECTION, digest, distance, reordered
from networks import initialise, parameter_table
from xception import Xception

make_training_goldens.SAMPLES = 12  # of 156 parameters
SETUP = {"image_size": 64, "batch_size": 4, "batches": 2, "steps": 5, "width_divisor": 8}
# Float32 is judged on a longer run of larger pictures: in the short one it is luck whether any ReLU flips.
CURVE_SETUP = {"image_size": 96, "batch_size": 8, "batches": 4, "steps": 10}
ORDERS = ("as_is", "reverse", "rotate_1", "rotate_3", "rotate_5")
OBSERVED = ["act2"] + [f"block{number}" for number in range(1, 13)] + ["act3", "act4", "global_pool"]
ACTIVATION_PROJECTION = 4000


def check_against_timm():
    theirs = timm.create_model("legacy_xception", pretrained=False, num_classes=1000).double().eval()
    ours = Xception(1000).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        assert (ours(x) - theirs(x)).abs().max() < 1e-12
    return "".join(f"{name} {'x'.join(map(str, tensor.shape)) or 'scalar'}\n" for name, tensor in theirs.state_dict().items())


def narrow(keras=False):
    model = initialise(Xception(2, deep_head=True, keras=keras, divisor=SETUP["width_divisor"]).double())
    with torch.no_grad():
        buffers = [(name, tensor) for name, tensor in model.named_buffers() if not name.endswith("num_batches_tracked")]
        for number, (name, tensor) in enumerate(buffers):
            kind = "bn_bias" if name.endswith("running_mean") else "bn_weight"
            tensor.copy_(torch.from_numpy(parameter(3000 + number, kind, tensor.shape, 1)))
    return model


def evaluation(model):
    """Logits of batch 0 by the running statistics, and what the layers gave on the way."""
    model.eval()
    seen = {}
    for number, name in enumerate(OBSERVED):
        def observe(_module, _input, output, number=number, name=name):
            seen[name] = digest(output, ACTIVATION_PROJECTION + number)
        model.get_submodule(name).register_forward_hook(observe)
    with torch.no_grad():
        x, _ = batch(0, SETUP["batch_size"], SETUP["image_size"])
        return {"logits": model(torch.from_numpy(x)).tolist(), "activations": seen}


def train(dtype, setup=SETUP, order="as_is", nudge=0.0):
    model = narrow().to(dtype).train()
    if nudge:
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.mul_(1 + nudge * torch.randn_like(tensor))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses, first = [], {}
    for step in range(setup["steps"]):
        x, y = batch(step % setup["batches"], setup["batch_size"], setup["image_size"])
        x, y = reordered(torch.from_numpy(x).to(dtype), order), reordered(torch.from_numpy(y).long(), order)
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            first = {"logits": logits.detach(), "gradients": [p.grad.clone() for p in model.parameters()]}
        optimizer.step()
        losses.append(loss.item())
    return losses, first, model


def curve():
    losses = train(torch.float64, CURVE_SETUP)[0]
    distances = {order: distance(losses, train(torch.float32, CURVE_SETUP, order)[0]) for order in ORDERS}
    return {"setup": CURVE_SETUP, "losses": losses, "torch_fp32_distances": distances,
            "torch_fp32_distance_median": statistics.median(distances.values())}


def make():
    losses, first, model = train(torch.float64)
    table = parameter_table(model)
    return {
        "made_by": "make_xception_goldens.py, PyTorch " + torch.__version__ + ", timm " + timm.__version__,
        "setup": SETUP,
        "evaluation": evaluation(narrow()),
        "keras_evaluation": evaluation(narrow(keras=True)),
        "losses": losses,
        "first_step_logits": first["logits"].tolist(),
        "parameters": table,
        "first_step_gradients": {r["name"]: digest(g, PROJECTION + r["number"]) for r, g in zip(table, first["gradients"])},
        "final_buffers_sum": float(np.sum([t.sum().item() for n, t in model.named_buffers() if not n.endswith("tracked")])),
        "eval_logits_after_training": evaluation(model)["logits"],
        "curve": curve(),
        "torch_fp64_distance_weights_nudged_1e-15": distance(losses, train(torch.float64, nudge=1e-15)[0]),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    (here / "xception_names.txt").write_text(check_against_timm())
    golden = make()
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False, separators=(',', ':'))}" for k, v in golden.items())
    path = here / "xception_narrow.json"
    path.write_text("{\n" + lines + "\n}\n")
    print(path.stat().st_size, "bytes", golden["losses"], golden["curve"], golden["torch_fp64_distance_weights_nudged_1e-15"])
    print({name: row["max_abs"] for name, row in golden["evaluation"]["activations"].items()}, golden["evaluation"]["logits"])

"""PyTorch float64 values of every op, forward and backward: ops.json.

    python tests/golden/make_op_goldens.py        (needs torch)

Inputs are multiples of 1/64, hence exact in float32 too. The layout of the file is in README.md.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20)


def grid(*shape, low=-96, high=97):
    return torch.randint(low, high, shape, dtype=torch.int64).double() / 64.0


def array(t):
    t = t.detach()
    values = [None if isinstance(v, float) and math.isnan(v) else v for v in t.reshape(-1).tolist()]
    return {"shape": list(t.shape), "values": values}


def case(function, inputs, params=None, constants=None, name="", update=None):
    """function(*inputs, **constants) is differentiated in every input, with a gradient on the grid at its result."""
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    constants = constants or {}
    before = {k: array(v) for k, v in constants.items()}
    y = function(*leaves.values(), **constants)
    grad_y = torch.tensor(1.5, dtype=torch.float64) if y.dim() == 0 else grid(*y.shape)
    y.backward(grad_y)
    return {
        "name": name,
        "params": params or {},
        "inputs": {**{k: array(v) for k, v in leaves.items()}, **before, "grad_y": array(grad_y)},
        "outputs": {"y": array(y), **{f"grad_{k}": array(v.grad) for k, v in leaves.items()},
                    **{f"{k}_after": array(constants[k]) for k in update or ()}},
    }


def conv2d(name, n, c, h, w, k, r, stride, padding, bias, groups=1):
    inputs = {"x": grid(n, c, h, w), "weight": grid(k, c // groups, r, r)}
    if bias:
        inputs["bias"] = grid(k)
    return case(lambda *a: F.conv2d(*a, stride=stride, padding=padding, groups=groups), inputs,
                {"kernel": r, "stride": stride, "padding": padding, "bias": bias, "groups": groups}, name=name)


def batch_norm(name, shape, training, eps=1e-5, shift=0.0):
    c = shape[1]
    inputs = {"x": grid(*shape) + shift, "weight": grid(c), "bias": grid(c)}
    running = {"running_mean": grid(c), "running_var": grid(c, low=16, high=128)}
    return case(lambda x, weight, bias, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, weight, bias, training=training, momentum=0.1, eps=eps),
        inputs, {"training": training, "momentum": 0.1, "eps": eps}, running, name=name,
        update=("running_mean", "running_var") if training else ())


def max_pool(name, x, kernel, stride, padding):
    return case(lambda a: F.max_pool2d(a, kernel, stride, padding), {"x": x},
                {"kernel": kernel, "stride": stride, "padding": padding}, name=name)


def with_nan(x):
    x[0, 0, 1, 1] = math.nan
    x[-1, -1, -1, -1] = math.nan
    return x


def cross_entropy(name, n, k, smoothing, weighted, scale=1.0):
    labels = torch.arange(n) * 7 % k
    weight = grid(k, low=16, high=160) if weighted else None
    row = case(lambda z: F.cross_entropy(z, labels, weight=weight, label_smoothing=smoothing), {"x": grid(n, k) * scale},
               {"smoothing": smoothing}, name=name)
    row["inputs"]["labels"] = array(labels)
    if weighted:
        row["inputs"]["class_weights"] = array(weight)
    return row


def separable(name, frozen):
    """depthwise 3x3 s1 p1 of relu(batch_norm(x)): the padding is zero after the ReLU."""
    def function(x, weight, bias, depthwise, running_mean, running_var):
        y = F.relu(F.batch_norm(x, running_mean, running_var, weight, bias, training=not frozen, momentum=0.1, eps=1e-5))
        return F.conv2d(y, depthwise, padding=1, groups=3)
    return case(function, {"x": grid(2, 3, 4, 5), "weight": grid(3), "bias": grid(3) + 1, "depthwise": grid(3, 1, 3, 3)},
                {"frozen": frozen, "eps": 1e-5, "momentum": 0.1, "padding": 1},
                {"running_mean": grid(3), "running_var": grid(3, low=16, high=128)}, name=name,
                update=() if frozen else ("running_mean", "running_var"))


def residual(name, n, h, w, levels):
    """What a 3x3 binomial blur with reflected borders takes away from a picture in [0, 1], times 20, clamped to 3."""
    pixels = torch.randint(0, levels, (n, 3, h, w)).double()
    filters = (torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16).double().expand(3, 1, 3, 3)
    x = pixels / 255
    y = ((x - F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), filters, groups=3)) * 20).clamp(-3, 3)
    return {"name": name, "params": {}, "inputs": {"pixels": array(pixels)}, "outputs": {"y": array(y)}}


OPS = {
    "conv2d": [
        conv2d("7x7 valid", 2, 3, 9, 8, 4, 7, 1, 0, True),
        conv2d("3x3 stride 2 padding 1", 2, 3, 6, 5, 4, 3, 2, 1, True),
        conv2d("3x3 valid without bias", 1, 5, 4, 4, 3, 3, 1, 0, False),
        conv2d("1x1", 2, 5, 3, 2, 4, 1, 1, 0, True),
        conv2d("1x1 stride 2 without bias", 2, 3, 5, 4, 2, 1, 2, 0, False),
        conv2d("one pixel, 3x3 padding 1", 1, 2, 1, 1, 2, 3, 1, 1, True),
    ],
    "depthwise_conv": [
        conv2d("stride 1 padding 1", 2, 3, 5, 4, 3, 3, 1, 1, True, groups=3),
        conv2d("stride 2 padding 1, even", 1, 5, 6, 4, 5, 3, 2, 1, True, groups=5),
        conv2d("stride 2 padding 1, odd", 2, 3, 5, 7, 3, 3, 2, 1, False, groups=3),
        conv2d("one pixel", 2, 6, 1, 1, 6, 3, 2, 1, True, groups=6),
    ],
    "linear": [
        case(F.linear, {"x": grid(3, 7), "weight": grid(5, 7), "bias": grid(5)}, name="with bias"),
        case(F.linear, {"x": grid(1, 6), "weight": grid(2, 6)}, name="one row, without bias"),
    ],
    "batch_norm": [
        batch_norm("train", (2, 3, 3, 2), True),
        batch_norm("train, mean 10000 times the deviation", (4, 2, 2, 3), True, shift=10000.0),
        batch_norm("train, eps 1e-3", (3, 2, 2, 2), True, eps=1e-3),
        batch_norm("running statistics (evaluation and frozen)", (2, 3, 3, 2), False),
    ],
    "relu": [case(F.relu, {"x": torch.tensor([-1.5, -0.0, 0.0, 0.25, math.nan, 3.0], dtype=torch.float64)}, name="signs, zeros and NaN")],
    "bn_relu_depthwise": [separable("train", False), separable("frozen", True)],
    "max_pool": [
        max_pool("2x2", grid(2, 3, 5, 4), 2, 2, 0),
        max_pool("2x2 with ties", grid(2, 3, 4, 6, low=-1, high=2), 2, 2, 0),
        max_pool("3x3 stride 2 padding 1", grid(2, 2, 5, 6), 3, 2, 1),
        max_pool("3x3 stride 2 padding 1 with ties", grid(2, 3, 6, 5, low=-1, high=2), 3, 2, 1),
        max_pool("2x2 with NaN", with_nan(grid(2, 2, 4, 4)), 2, 2, 0),
        max_pool("3x3 stride 2 padding 1 with NaN", with_nan(grid(2, 2, 5, 5)), 3, 2, 1),
    ],
    "global_avg_pool": [case(lambda x: x.mean((2, 3)), {"x": grid(2, 5, 3, 4)}, name="3 x 4")],
    "add": [case(torch.add, {"a": grid(2, 3), "b": grid(2, 3)}, name="2 x 3")],
    "softmax": [
        case(lambda x: F.softmax(x, 1), {"x": grid(3, 4)}, name="3 x 4"),
        case(lambda x: F.softmax(x, 1), {"x": grid(2, 2) * 512}, name="logits of hundreds"),
    ],
    "cross_entropy": [
        cross_entropy("plain", 5, 2, 0.0, False),
        cross_entropy("class weights", 6, 3, 0.0, True),
        cross_entropy("label smoothing", 5, 3, 0.1, False),
        cross_entropy("class weights and label smoothing", 7, 4, 0.1, True),
        cross_entropy("logits of hundreds", 4, 2, 0.0, False, scale=512.0),
    ],
    "images_to_residual": [residual("faint", 2, 5, 4, 40), residual("noise", 1, 2, 7, 256)],
}

if __name__ == "__main__":
    ops = {"made_by": "make_op_goldens.py, PyTorch " + torch.__version__, **OPS}
    lines = ",\n".join(
        f"{json.dumps(op)}: " + (json.dumps(rows) if op == "made_by" else "[\n" + ",\n".join(
            json.dumps(r, separators=(",", ":"), allow_nan=False) for r in rows) + "\n]")
        for op, rows in ops.items())
    path = pathlib.Path(__file__).parent / "ops.json"
    path.write_text("{\n" + lines + "\n}\n")
    print(path.name, path.stat().st_size, "bytes")

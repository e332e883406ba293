"""Optimisers, schedules, clipping and EMA by PyTorch (float64) and timm: optim.json.

    python tests/golden/make_optim_goldens.py        (needs torch and timm)
"""

import json
import pathlib

import timm
import torch
from timm.scheduler import CosineLRScheduler

torch.manual_seed(21)


def grid(*shape):
    return torch.randint(-96, 97, shape, dtype=torch.int64).double() / 64.0


def optimizer_case(name, make, params, steps=5, count=12):
    weight = grid(count).requires_grad_()
    gradients = grid(steps, count)
    gradients[:, 0] = 0.0  # a gradient that is always zero, and one that is tiny: eps decides
    gradients[:, 1] *= 2.0 ** -30
    optimizer = make([weight])
    result = {"name": name, "params": params, "start": weight.tolist(), "gradients": gradients.tolist(), "weights": []}
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        result["weights"].append(weight.tolist())
    return result


def cosine_case(name, steps, lr, **options):
    """timm's schedule: during warm-up lr = warmup_lr_init + t (lr - warmup_lr_init) / warmup_t; after it
    lr_min + (lr - lr_min) (1 + cos(pi t / t_initial)) / 2, where t counts from the start of warm-up (from its end with
    warmup_prefix) and t >= t_initial gives lr_min."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = CosineLRScheduler(optimizer, t_in_epochs=False, **options)
    lrs = []
    for t in range(steps):
        schedule.step_update(t)
        lrs.append(float(optimizer.param_groups[0]["lr"]))
    return {"name": name, "params": {"lr": lr, **options}, "lr": lrs}


def one_cycle_case(name, steps, max_lr, **options):
    """torch.optim.lr_scheduler.OneCycleLR, cosine annealing, two phases, momentum left alone."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=max_lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=steps, cycle_momentum=False, **options)
    lrs = []
    for t in range(steps):
        lrs.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if t + 1 < steps:
            schedule.step()
    return {"name": name, "params": {"max_lr": max_lr, "total_steps": steps, **options}, "lr": lrs}


def clip_case(name, max_norm, scale):
    gradients = [grid(3, 2) * scale, grid(5) * scale]
    weights = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for weight, gradient in zip(weights, gradients):
        weight.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(weights, max_norm)
    return {"name": name, "max_norm": max_norm, "gradients": [g.reshape(-1).tolist() for g in gradients], "norm": float(norm),
            "clipped": [w.grad.reshape(-1).tolist() for w in weights]}


def ema_case(name, decay, steps=5):
    """ema = decay ema + (1 - decay) weight after every step, starting as a copy of the start weights."""
    start = torch.nn.ParameterList([torch.nn.Parameter(grid(4))])
    average = torch.optim.swa_utils.AveragedModel(start, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    average.update_parameters(start)  # the first call copies
    weights, averages = [], []
    first = start[0].tolist()
    for _ in range(steps):
        with torch.no_grad():
            start[0].copy_(grid(4))
        average.update_parameters(start)
        weights.append(start[0].tolist())
        averages.append(average.module[0].tolist())
    return {"name": name, "decay": decay, "start": first, "weights": weights, "averages": averages}


def adam(kind, **options):
    full = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, **options}
    return lambda p: kind(p, **{**full, "betas": tuple(full["betas"])}), full


def sgd(**options):
    full = {"lr": 0.05, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False, **options}
    return lambda p: torch.optim.SGD(p, **full), full


GOLDENS = {
    "made_by": f"make_optim_goldens.py, PyTorch {torch.__version__}, timm {timm.__version__}",
    "adam": [optimizer_case("defaults", *adam(torch.optim.Adam)),
             optimizer_case("other betas, weight decay as L2",
                            *adam(torch.optim.Adam, lr=0.02, betas=[0.8, 0.99], eps=1e-6, weight_decay=0.1))],
    "adamw": [optimizer_case("decoupled weight decay", *adam(torch.optim.AdamW, lr=0.01, weight_decay=0.05))],
    "sgd": [optimizer_case("plain", *sgd()), optimizer_case("momentum", *sgd(momentum=0.9)),
            optimizer_case("momentum and weight decay", *sgd(momentum=0.9, weight_decay=0.01)),
            optimizer_case("nesterov", *sgd(momentum=0.9, nesterov=True, weight_decay=0.01))],
    "cosine": [cosine_case("no warm-up", 14, 0.1, t_initial=10),
               cosine_case("warm-up inside", 22, 1e-3, t_initial=20, warmup_t=5, warmup_lr_init=1e-5, lr_min=1e-6),
               cosine_case("warm-up before", 27, 1e-3, t_initial=20, warmup_t=5, warmup_lr_init=1e-5, lr_min=1e-6, warmup_prefix=True)],
    "one_cycle": [one_cycle_case("defaults", 20, 0.1),
                  one_cycle_case("other", 17, 1e-3, pct_start=0.25, div_factor=10.0, final_div_factor=100.0)],
    "clip_grad_norm": [clip_case("clipped", 1.0, 4.0), clip_case("left alone", 1000.0, 1.0)],
    "ema": [ema_case("0.9", 0.9), ema_case("0.9998", 0.9998)],
}

if __name__ == "__main__":
    lines = ",\n".join(
        f"{json.dumps(k)}: " + (json.dumps(v) if isinstance(v, str) else "[\n" + ",\n".join(
            json.dumps(r, separators=(",", ":"), allow_nan=False) for r in v) + "\n]") for k, v in GOLDENS.items())
    path = pathlib.Path(__file__).parent / "optim.json"
    path.write_text("{\n" + lines + "\n}\n")
    print(path.name, path.stat().st_size, "bytes")

"""Explanations by pytorch-grad-cam and Captum on the networks of networks.py and xception.py, float64: explain.json.

    python tests/golden/make_explain_goldens.py        (needs torch, numpy, scipy, timm's twin in xception.py, grad-cam and captum)

Weights and pictures are counter_formula.py's (narrow Xception: as in make_xception_goldens.py), evaluation mode; picture i of `batch` is explained for
class CLASSES[i]; scores are logits. Class activation maps are what pytorch-grad-cam's get_cam_image returns, before its ReLU, scaling and
resizing (Eigen-CAM in its float32, of either sign). Attributions are digests in PyTorch's layout. SmoothGrad's noise is NOISE * signed_unit(
7000 + sample, i), i row-major in PyTorch's layout; integrated gradients start from black.
"""

import functools
import json
import pathlib

import captum.attr
import numpy as np
import pytorch_grad_cam
import scipy.ndimage
import scipy.stats
import torch
import torch.nn as nn
import torch.nn.functional as F
from pytorch_grad_cam.guided_backprop import GuidedBackpropReLUModel
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import make_training_goldens
from counter_formula import MEAN, STD, batch, parameter, signed_unit
from make_training_goldens import digest
from networks import EdgeNet, SimpleNet, initialise
from xception import Xception

make_training_goldens.SAMPLES = 64
CLASSES = [1, 0]
SIZES = {"edgenet": 64, "simplenet": 80, "xception": 96}
LAYERS = {"edgenet": ["blocks.2", "blocks.1"], "simplenet": ["conv3"], "xception": ["act4", "block12"]}
CAMS = {"gradcam": pytorch_grad_cam.GradCAM, "gradcam++": pytorch_grad_cam.GradCAMPlusPlus, "hirescam": pytorch_grad_cam.HiResCAM,
        "layercam": pytorch_grad_cam.LayerCAM, "eigencam": pytorch_grad_cam.EigenCAM}
NOISE, SAMPLES, STEPS, WIDTH_DIVISOR = 0.2, 2, 8, 8


class ModuleRelu(nn.Module):
    """The same network with every ReLU a module, which is what Captum's guided backpropagation hooks."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(5))

    def forward(self, x):
        n, relu = self.network, self.relus
        if isinstance(n, SimpleNet):
            for conv, act in zip((n.conv1, n.conv2, n.conv3), relu):
                x = F.max_pool2d(act(conv(x)), 2)
            return n.fc3(relu[4](n.fc2(relu[3](n.fc1(x.flatten(1))))))
        x = relu[0](n.stem(x))
        for block, act in zip(n.blocks, relu[1:]):
            x = act(block.bn(block.pointwise(block.depthwise(x))))
        return n.fc2(relu[4](n.fc1(x.mean((2, 3)))))


def network(name):
    if name == "edgenet":
        return initialise(EdgeNet().double()).eval()
    if name == "simplenet":
        return initialise(SimpleNet(SIZES[name]).double()).eval()
    model = initialise(Xception(2, deep_head=True, divisor=WIDTH_DIVISOR).double()).eval()
    with torch.no_grad():
        buffers = [(n, t) for n, t in model.named_buffers() if not n.endswith("num_batches_tracked")]
        for number, (n, tensor) in enumerate(buffers):
            kind = "bn_bias" if n.endswith("running_mean") else "bn_weight"
            tensor.copy_(torch.from_numpy(parameter(3000 + number, kind, tensor.shape, 1)))
    return model


def raw_cam(kind, model, layer, x):
    """What the method computes at the layer, before the library cuts, scales and resizes it."""
    explainer = kind(model=model, target_layers=[model.get_submodule(layer)])
    seen, inner = [], explainer.get_cam_image

    def remember(*args, **kwargs):
        seen.append(inner(*args, **kwargs))
        return seen[-1]

    explainer.get_cam_image = remember
    explainer(input_tensor=x, targets=[ClassifierOutputTarget(c) for c in CLASSES])
    return seen[0].astype(np.float64)


def guided_backprop(name, x):
    """By pytorch-grad-cam, which swaps ReLU modules for guided ones. Captum must agree but for residual networks, where it clamps the sum of
    both branches' gradients at the input of a block instead of the ReLU's own."""
    twin = network(name) if name == "xception" else ModuleRelu(network(name))
    if name == "xception":
        # One guided module takes every ReLU's place, and children() would run it once.
        twin.forward = lambda v: functools.reduce(lambda value, module: module(value), twin._modules.values(), v)
    else:
        theirs = captum.attr.GuidedBackprop(twin).attribute(x, target=torch.tensor(CLASSES))
    explainer = GuidedBackpropReLUModel(model=twin, device="cpu")
    ours = torch.stack([torch.from_numpy(explainer(x[i:i + 1].clone().requires_grad_(), c)).permute(2, 0, 1) for i, c in enumerate(CLASSES)])
    assert name == "xception" or (ours - theirs).abs().max() <= 1e-12 * ours.abs().max()
    return ours


def steady_pictures(name, model, size):
    """The first batch whose gradients stay when its pixels are nudged: no ReLU or pooling window is within a rounding of flipping."""
    for index in range(40):
        x = torch.from_numpy(batch(index, len(CLASSES), size)[0])
        saliency = captum.attr.Saliency(model)
        found = saliency.attribute(x, target=torch.tensor(CLASSES), abs=False)
        nudged = [saliency.attribute(x * (1 + 1e-6 * torch.from_numpy(signed_unit(7600 + k, x.numel()).reshape(x.shape))), target=torch.tensor(CLASSES), abs=False)
                  for k in range(8)]
        if max((found - other).abs().max() for other in nudged) < 1e-4 * found.abs().max():
            return index, x
    raise SystemExit(f"{name}: no batch is steady")


def attributions(name, model, x):
    target = torch.tensor(CLASSES)
    saliency = captum.attr.Saliency(model)
    smooth = sum(saliency.attribute(x + NOISE * torch.from_numpy(signed_unit(7000 + k, x.numel()).reshape(x.shape)), target=target, abs=False)
                 for k in range(SAMPLES)) / SAMPLES
    black = torch.from_numpy((0 - np.array(MEAN)) / np.array(STD)).reshape(1, 3, 1, 1).expand_as(x).contiguous()
    ig, delta = captum.attr.IntegratedGradients(model).attribute(x, baselines=black, target=target, n_steps=STEPS, return_convergence_delta=True)
    guided = guided_backprop(name, x)
    found = {"saliency": saliency.attribute(x, target=target, abs=False), "smoothgrad": smooth, "ig": ig, "guided": guided}
    return {key: digest(value, 7100 + number) for number, (key, value) in enumerate(found.items())}, delta.tolist()


def of_network(name):
    model = network(name)
    size = SIZES[name]
    index, x = steady_pictures(name, model, size)
    with torch.no_grad():
        logits = model(x).tolist()
    cams = {layer: {method: raw_cam(kind, model, layer, x).tolist() for method, kind in CAMS.items()} for layer in LAYERS[name]}
    raw = torch.tensor(cams[LAYERS[name][0]]["gradcam"]).clamp(min=0)
    upsampled = F.interpolate(raw[:, None], size=(size, size), mode="bilinear", align_corners=False)
    found, delta = attributions(name, model, x)
    return {"image_size": size, "batch": index, "logits": logits, "cams": cams, "upsampled_gradcam": digest(upsampled, 7200), "attributions": found, "ig_convergence_delta": delta}


def upsampling():
    small = torch.from_numpy(signed_unit(7300, 15).reshape(1, 1, 3, 5))
    return {"from": small.flatten().tolist(), "to": F.interpolate(small, size=(7, 16), mode="bilinear", align_corners=False).flatten().tolist()}


def blur():
    """batch 0 of 32x32 pictures, each channel by itself, border repeated, cut at 3 sigma."""
    x = batch(0, len(CLASSES), 32)[0]
    return {"sigma": 4.0, "digest": digest(torch.from_numpy(scipy.ndimage.gaussian_filter(x, (0, 0, 4.0, 4.0), mode="nearest", truncate=3.0)), 7400)}


def rank_correlations():
    cases = []
    for k, (count, levels) in enumerate([(5, 0), (40, 0), (40, 4), (200, 7), (64, 2)]):
        a, b = signed_unit(7500 + 2 * k, count), signed_unit(7501 + 2 * k, count)
        b = 0.5 * a + b
        if levels:
            a, b = np.floor(a * levels), np.floor(b * levels)
        cases.append({"a": a.tolist(), "b": b.tolist(), "rho": float(scipy.stats.spearmanr(a, b).statistic)})
    return cases


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = {"made_by": f"make_explain_goldens.py, PyTorch {torch.__version__}, captum {captum.__version__}, grad-cam 1.5",
              "classes": CLASSES, "noise": NOISE, "samples": SAMPLES, "steps": STEPS, "width_divisor": WIDTH_DIVISOR,
              **{name: of_network(name) for name in SIZES}, "upsampling": upsampling(), "blur": blur(), "rank_correlations": rank_correlations()}
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False, separators=(',', ':'))}" for k, v in golden.items())
    path = pathlib.Path(__file__).parent / "explain.json"
    path.write_text("{\n" + lines + "\n}\n")
    print(path.stat().st_size, "bytes")
    for name in SIZES:
        print(name, golden[name]["logits"], golden[name]["ig_convergence_delta"], {k: v["max_abs"] for k, v in golden[name]["attributions"].items()})

"""The three networks in PyTorch, with the weights, pictures and answers that every peer is checked against.

    python bench/peers/twins.py FOLDER edgenet 32       writes edgenet.safetensors, edgenet.onnx, edgenet.npz and picture0.png to picture3.png

One process writes them before anything is timed; the peers read them. edgenet.npz holds pictures x (32, 3, 256, 256), what the network
answers in evaluation mode (logits), the loss of a first training step of 32 (the number given) with labels 0, 1, 0, 1, ..., and the logits of the PNG files,
with which sepia's own answer is compared.
"""

import importlib.util
import pathlib
import sys

import numpy as np
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F

from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from counter_formula import MEAN, STD  # noqa: E402
from networks import build  # noqa: E402

SIZE, PICTURES = 256, 32


def make(name):
    """The network with weights drawn by PyTorch's generator as it stands."""
    if name in ("simplenet", "edgenet"):
        return build(name, SIZE)
    model = timm.create_model("legacy_xception", pretrained=False, num_classes=1000 if name == "xception_based" else 2)
    if name == "xception_based":
        model.fc = nn.Sequential(model.fc, nn.ReLU(), nn.Linear(1000, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 2))
    return model


def used(model):
    """`model` with the statistics and scales of batch norms off their start of 0 and 1, which would hide a mistake in folding them."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.8, 1.2)
                module.bias.normal_(0, 0.1)
    return model


def labels(batch):
    return torch.arange(batch) % 2


def load(name, folder):
    model = make(name)
    model.load_state_dict(load_file(pathlib.Path(folder) / f"{name}.safetensors"))
    return model


def normalised(pixels, name):
    """Pictures of bytes (N, H, W, 3) as the network's input (N, 3, H, W)."""
    mean, std = (MEAN, STD) if name in ("simplenet", "edgenet") else ((0.5,) * 3, (0.5,) * 3)
    return torch.from_numpy(((pixels / 255.0 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)).contiguous()


def noise_pictures(folder, count=4):
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"picture{number}.png")
    return pixels


def export_onnx(model, path):
    """One file for any number of pictures; the runtimes fix the number themselves."""
    torch.onnx.export(model, (torch.zeros(1, 3, SIZE, SIZE),), path, input_names=["x"], output_names=["logits"],
                      dynamic_axes={"x": {0: "n"}, "logits": {0: "n"}}, opset_version=17, dynamo=False)


def prepare(folder, name, batch):
    torch.manual_seed(0)
    folder = pathlib.Path(folder)
    model = used(make(name)).eval()
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / f"{name}.safetensors", metadata={"format": "pt"})
    if importlib.util.find_spec("onnx"):  # not needed on a GPU
        export_onnx(model, folder / f"{name}.onnx")
    x = torch.randn(max(batch, PICTURES), 3, SIZE, SIZE)
    with torch.inference_mode():
        logits = model(x)
        of_pictures = model(normalised(noise_pictures(folder), name))
        loss = F.cross_entropy(model.train()(x[:batch]), labels(batch))
    np.savez(folder / f"{name}.npz", x=x.numpy(), logits=logits.numpy(), loss=loss.item(), of_pictures=of_pictures.numpy())


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], int(sys.argv[3]))

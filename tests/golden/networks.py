"""simplenet and edgenet in PyTorch, with sepia's parameter names. simplenet's fc1 follows the picture size."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from counter_formula import parameter


class SimpleNet(nn.Module):
    def __init__(self, image_size=256):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 7)
        self.conv2 = nn.Conv2d(6, 16, 7)
        self.conv3 = nn.Conv2d(16, 24, 7)
        side = image_size
        for _ in range(3):
            side = (side - 6) // 2
        self.fc1 = nn.Linear(24 * side * side, 1024)
        self.fc2 = nn.Linear(1024, 256)
        self.fc3 = nn.Linear(256, 2)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.max_pool2d(F.relu(conv(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class SeparableBlock(nn.Module):
    def __init__(self, channels, out_channels):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, out_channels, 1)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.bn(self.pointwise(self.depthwise(x))))


class EdgeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(SeparableBlock(32, 64), SeparableBlock(64, 128), SeparableBlock(128, 256))
        self.fc1 = nn.Linear(256, 64)
        self.fc2 = nn.Linear(64, 2)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem(x))).mean((2, 3))
        return self.fc2(F.relu(self.fc1(x)))


def build(name, image_size=256):
    return SimpleNet(image_size) if name == "simplenet" else EdgeNet()


def parameter_table(model):
    """One row per parameter in named_parameters() order: number, name, kind, shape, fan_in (see counter_formula.py)."""
    modules = dict(model.named_modules())
    rows = []
    for number, (name, tensor) in enumerate(model.named_parameters()):
        owner, leaf = name.rsplit(".", 1)
        module = modules[owner]
        if isinstance(module, nn.BatchNorm2d):
            kind, fan_in = "bn_" + leaf, 1
        else:
            kind, fan_in = "uniform", module.weight[0].numel()
        rows.append({"number": number, "name": name, "kind": kind, "shape": list(tensor.shape), "fan_in": fan_in})
    return rows


def initialise(model):
    """Fill every parameter from the counter formula, in the model's own type; buffers keep PyTorch's start (0, 1, 0)."""
    with torch.no_grad():
        for row, tensor in zip(parameter_table(model), model.parameters()):
            tensor.copy_(torch.from_numpy(parameter(row["number"], row["kind"], row["shape"], row["fan_in"])))
    return model

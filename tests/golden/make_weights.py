#!/usr/bin/env python3
"""Makes weights_interop.safetensors: a small PyTorch network with every kind of layer that has a file layout, its state dict
under "net.", and its float64 output ("output") for a picture ("input", NCHW) in evaluation mode.

Read by tests/io/weights_test.cpp; run in this folder (PyPI: torch, safetensors).
"""
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(7)
net = nn.Sequential()
net.add_module("stem", nn.Conv2d(3, 4, 3))
net.add_module("depthwise", nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False))
net.add_module("pointwise", nn.Conv2d(4, 5, 1))
net.add_module("bn", nn.BatchNorm2d(5))
net.add_module("flatten", nn.Flatten())
net.add_module("fc", nn.Linear(5 * 4 * 3, 2))
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.uniform_(module.bias, -0.5, 0.5)
for _ in range(3):
    net(torch.randn(8, 3, 6, 5) * 2 + 1)  # moves the running statistics
net.eval()
picture = torch.randn(2, 3, 6, 5, dtype=torch.float64)
tensors = {"net." + name: tensor for name, tensor in net.state_dict().items()}
with torch.no_grad():
    tensors["output"] = net.double()(picture)
tensors["input"] = picture
save_file(tensors, "weights_interop.safetensors")

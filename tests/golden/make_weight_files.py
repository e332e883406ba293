#!/usr/bin/env python3
"""Makes weight_files/: the same few tensors as PyTorch and Keras write them, and what they hold ("expected.safetensors").

  zip.pth, legacy.pth       the state dict of a small network, torch.save's two containers
  checkpoint.pth            {'model': module.-prefixed state dict, 'optimizer': Adam's, 'val_acc', 'epoch', 'note', 'args'}
  half.pth, bfloat16.pth    of that type
  numpy.pth, numpy4.pth     a checkpoint with NumPy's numbers beside the state dict, in pickle protocols 2 and 4
  strided.pth               a transposed tensor, a slice of a larger storage, a Parameter, one tensor under two names
  keras3.weights.h5         a Keras 3 model's weights; kernels in Keras' layouts, as expected.safetensors has them ("keras.LAYER.VARIABLE")
  tf_keras.h5               the same model as one HDF5 file in the older scheme

Read by tests/io; run in this folder (PyPI: torch, safetensors, keras, h5py). Values are k/8, exact in every type.
"""
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(3)
os.makedirs("weight_files", exist_ok=True)
net = nn.Sequential()
net.add_module("conv", nn.Conv2d(3, 4, 3))
net.add_module("bn", nn.BatchNorm2d(4))
net.add_module("flatten", nn.Flatten())
net.add_module("fc", nn.Linear(16, 2))
with torch.no_grad():
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randint(-40, 41, tensor.shape) / 8)
state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
optimizer = torch.optim.Adam(net.parameters())
net(torch.rand(2, 3, 4, 4)).sum().backward()
optimizer.step()


def cast(dtype):
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


save = torch.save
save(state, "weight_files/zip.pth")
save(state, "weight_files/legacy.pth", _use_new_zipfile_serialization=False)
checkpoint = {"model": {"module." + name: tensor for name, tensor in state.items()}, "optimizer": optimizer.state_dict(),
              "val_acc": 0.9375, "epoch": 12, "note": "a text", "args": {"lr": 0.001}}
save(checkpoint, "weight_files/checkpoint.pth")
numbers = {"val_acc": np.float64(0.9375), "best": np.float32(0.5), "half": np.float16(-0.25), "epoch": np.int64(12), "delta": np.int16(-3),
           "count": np.uint8(200), "ema": np.bool_(True)}
for name, protocol in (("numpy", 2), ("numpy4", 4)):
    save({"model": {"fc.bias": state["fc.bias"]}, **numbers}, f"weight_files/{name}.pth", pickle_protocol=protocol)
save(cast(torch.float16), "weight_files/half.pth")
save(cast(torch.bfloat16), "weight_files/bfloat16.pth")
base = torch.arange(24, dtype=torch.float64).reshape(4, 6)
strided = {"transposed": base.t(), "slice": torch.arange(40, dtype=torch.int64)[8:20].reshape(3, 4), "parameter": nn.Parameter(torch.arange(3.0)),
           "tied": torch.arange(5, dtype=torch.int32)}
strided["tied_again"] = strided["tied"]
save(strided, "weight_files/strided.pth")

model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(4, 3, use_bias=False, name="separable"),
                          keras.layers.BatchNormalization(name="norm"), keras.layers.GlobalAveragePooling2D(name="pool"),
                          keras.layers.Dense(2, name="predictions")])
rng = np.random.default_rng(5)
model.set_weights([(rng.integers(-40, 41, w.shape) / 8).astype(np.float32) for w in model.get_weights()])
model.save_weights("weight_files/keras3.weights.h5")
model.save("weight_files/tf_keras.h5")

expected = dict(state)
expected.update({"strided." + name: tensor.detach().contiguous().clone() for name, tensor in strided.items()})
for layer in model.layers:
    for weight in layer.weights:
        expected["keras." + layer.name + "." + weight.name] = weight.value.detach().clone().contiguous()
save_file(expected, "weight_files/expected.safetensors")

#!/usr/bin/env python3
"""Makes safetensors_interop.safetensors with the format's own library (PyPI: safetensors, torch).

Read by tests/io/safetensors_test.cpp; run in this folder when the values there change. Value i of a tensor is i - 2, cast.
"""
import torch
from safetensors.torch import save_file

shapes = {
    "double": (torch.float64, (3,)),
    "conv.weight": (torch.float32, (2, 3, 1, 2)),
    "half": (torch.float16, (5,)),
    "brain": (torch.bfloat16, (2, 2)),
    "bn.num_batches_tracked": (torch.int64, ()),
    "int": (torch.int32, (4,)),
    "empty": (torch.float32, (0, 7)),
    "bytes": (torch.uint8, (3,)),
}
tensors = {}
for name, (dtype, shape) in shapes.items():
    count = torch.Size(shape).numel()
    values = torch.arange(count, dtype=torch.float64) - (0 if dtype == torch.uint8 else 2)
    tensors[name] = values.reshape(shape).to(dtype)
save_file(tensors, "safetensors_interop.safetensors", metadata={"format": "pt", "sepia.model": "simplenet", "note": 'quote " and ü'})

"""Fine-tuning of the narrow xception_based in PyTorch float64: transfer.json.

    python tests/golden/make_transfer_golden.py        (needs torch, numpy and timm)

The network and its start are those of make_xception_goldens.py. Everything to the end of `frozen_up_to` is frozen, batch norms in
evaluation mode; the rest is trained by Adam with two parameter groups, the head (`fc`) with `head_lr` and the rest with `backbone_lr`.
`moved` are digests of some weights after the last step, numbered as in named_parameters().
"""

import json
import pathlib

import torch
import torch.nn.functional as F

from counter_formula import batch
from make_training_goldens import PROJECTION, digest
from make_xception_goldens import SETUP, narrow

FROZEN = ["conv1", "bn1", "conv2", "bn2", "block1", "block2"]
MOVED = ("block3.skip.weight", "block12.rep.4.pointwise.weight", "bn4.weight", "fc.0.weight", "fc.6.weight", "fc.6.bias")
HEAD_LR, BACKBONE_LR = 1e-2, 1e-4

if __name__ == "__main__":
    torch.set_num_threads(1)
    model = narrow().train()
    for name in FROZEN:
        layer = model.get_submodule(name)
        layer.eval()
        layer.requires_grad_(False)
    head = list(model.fc.parameters())
    rest = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("fc.")]
    optimizer = torch.optim.Adam([{"params": rest, "lr": BACKBONE_LR}, {"params": head, "lr": HEAD_LR}])
    losses = []
    for step in range(SETUP["steps"]):
        x, y = batch(step % SETUP["batches"], SETUP["batch_size"], SETUP["image_size"])
        loss = F.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    numbers = {name: number for number, (name, _) in enumerate(model.named_parameters())}
    golden = {
        "made_by": "make_transfer_golden.py, PyTorch " + torch.__version__,
        "frozen_up_to": FROZEN[-1], "head_lr": HEAD_LR, "backbone_lr": BACKBONE_LR, "losses": losses,
        "moved": {name: {"number": numbers[name], **digest(model.get_parameter(name), PROJECTION + numbers[name])} for name in MOVED},
        "statistics_sum": sum(t.sum().item() for n, t in model.named_buffers() if not n.endswith("tracked")),
    }
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, allow_nan=False, separators=(',', ':'))}" for k, v in golden.items())
    (pathlib.Path(__file__).parent / "transfer.json").write_text("{\n" + lines + "\n}\n")
    print(losses)

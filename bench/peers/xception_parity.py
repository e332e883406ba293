"""Logits of the whole Xception beside timm's, from the same random weights on real pictures.

    python bench/peers/xception_parity.py FOLDER                      (needs torch, timm, safetensors, pillow; a built sepia)

FOLDER holds pictures; the first eight are brought to 256 and to 299 pixels, saved as PNG, and judged by both. Batch norms hold running
statistics that are not 0 and 1. Prints the largest difference of a logit from timm's float64, over the largest logit, for sepia and for
PyTorch's own float32. Exit 1 when sepia's is above 1e-4.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

SEPIA = pathlib.Path(__file__).resolve().parents[2] / "build" / "sepia"


def random_model(seed):
    torch.manual_seed(seed)
    model = timm.create_model("legacy_xception", pretrained=False, num_classes=2)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.8, 1.2)
                module.bias.normal_(0, 0.1)
    return model.eval()


def pictures(folder, size, out):
    paths, values = [], []
    for number, path in enumerate(sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:8]):
        picture = Image.open(path).convert("RGB").resize((size, size), Image.BILINEAR)
        paths.append(out / f"{number}_{size}.png")
        picture.save(paths[-1])
        values.append((np.asarray(picture, dtype=np.float64) / 255 - 0.5) / 0.5)
    return paths, torch.from_numpy(np.stack(values)).permute(0, 3, 1, 2).contiguous()


def sepia_logits(weights, size, paths):
    command = [str(SEPIA), "predict", *map(str, paths), "-m", str(weights), "--arch", "xception", "--image-size", str(size), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return torch.tensor([json.loads(line)["logits"] for line in done.stdout.splitlines()], dtype=torch.float64)


def main():
    parser = argparse.ArgumentParser(description="Logits of the whole Xception beside timm's; see the head of this file.")
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        out = pathlib.Path(name)
        model = random_model(args.seed)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, out / "xception.safetensors", metadata={"format": "pt"})
        for size in (256, 299):
            paths, x = pictures(args.folder, size, out)
            fp32 = model.float()(x.float()).double()
            exact = model.double()(x)
            scale = exact.abs().max()
            ours = sepia_logits(out / "xception.safetensors", size, paths)
            distance, theirs = ((ours - exact).abs().max() / scale).item(), ((fp32 - exact).abs().max() / scale).item()
            worst = max(worst, distance)
            print(f"{size} px, {len(paths)} pictures: sepia {distance:.2e}, PyTorch fp32 {theirs:.2e} of the largest logit ({scale:.3g})")
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()

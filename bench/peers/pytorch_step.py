"""PyTorch doing what a sepia step does: one training step (forward, cross-entropy, backward, Adam) and inference.

    python bench/peers/pytorch_step.py edgenet --modes eager,channels_last,compile --threads 2
    python bench/peers/pytorch_step.py edgenet --modes eager --serve        (driven by compare.py)

Prints JSON lines: {"peer", "model", "mode", "what", "batch", "threads", "seconds", "all_seconds", "peak_rss_mib"}; seconds is the median.
Modes: eager (contiguous, PyTorch's own defaults), channels_last (also fused Adam), compile (channels_last and torch.compile), bf16 and
compile_bf16 (the same two under bf16 autocast), max_autotune and max_autotune_bf16 (compile with mode="max-autotune": Triton kernels
tuned on the spot, CUDA graphs). Pictures are random: no kernel's time depends on them. With --device cuda the pictures are on the GPU
already, TF32 is allowed in fp32 products, and the loss is read by the host after every step, as sepia reads its own.
With --serve it says {"ready": true}, then answers each line of stdin, "train REPS" or "infer BATCH REPS", with one such line.
"""

import argparse
import json
import pathlib
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from networks import build  # noqa: E402

MODES = ("eager", "channels_last", "compile", "bf16", "compile_bf16", "max_autotune", "max_autotune_bf16")


def make_model(name):
    if name in ("simplenet", "edgenet"):
        return build(name)
    import timm

    model = timm.create_model("legacy_xception", pretrained=False, num_classes=1000 if name == "xception_based" else 2)
    if name == "xception_based":
        model.fc = nn.Sequential(model.fc, nn.ReLU(), nn.Linear(1000, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 2))
    return model


class Peer:
    """One network in one mode; holds what a training loop would hold."""

    def __init__(self, name, mode, batch, device="cpu"):
        self.name, self.mode, self.batch, self.device = name, mode, batch, device
        self.bf16 = mode.endswith("bf16")
        self.format = torch.contiguous_format if mode == "eager" else torch.channels_last
        self.model = make_model(name).to(device=device, memory_format=self.format)
        self.x = torch.randn(batch, 3, 256, 256, device=device).contiguous(memory_format=self.format)
        self.y = torch.randint(0, 2, (batch,), device=device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=None if mode == "eager" else True)
        self.call = self.model
        if mode.startswith("compile"):
            self.call = torch.compile(self.model)
        if mode.startswith("max_autotune"):
            self.call = torch.compile(self.model, mode="max-autotune")
        self.warm = set()

    def train_step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            loss = F.cross_entropy(self.call(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def measure(self, what, batch, reps):
        if what == "train":
            self.model.train()
            step = self.train_step
        else:
            self.model.eval()
            x = self.x[:batch].contiguous(memory_format=self.format)

            def step():
                with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
                    self.call(x)
                if self.device == "cuda":
                    torch.cuda.synchronize()

        for _ in range(1 if (what, batch) in self.warm else 3):
            step()
        self.warm.add((what, batch))
        seconds = []
        for _ in range(reps):
            begin = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begin)
        return {
            "peer": "pytorch " + torch.__version__,
            "model": self.name,
            "mode": self.mode,
            "what": what,
            "batch": batch,
            "threads": torch.get_num_threads(),
            "seconds": statistics.median(seconds),
            "all_seconds": seconds,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def serve(peer):
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "train":
            answer = peer.measure("train", peer.batch, int(words[1]))
        else:
            answer = peer.measure("infer", int(words[1]), int(words[2]))
        print(json.dumps(answer), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Time PyTorch's training step and inference; see the head of this file.")
    parser.add_argument("model", choices=("simplenet", "edgenet", "xception", "xception_based"))
    parser.add_argument("--modes", default="eager,channels_last,compile,bf16", help="comma-separated: " + ", ".join(MODES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--what", default="train,infer", help="train, infer or both")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--serve", action="store_true", help="answer requests on stdin (one mode)")
    args = parser.parse_args()
    modes = args.modes.split(",")
    if unknown := set(modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}")
    if args.serve and len(modes) != 1:
        parser.error("--serve takes one mode")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device")
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    for mode in modes:
        peer = Peer(args.model, mode, args.batch, args.device)
        if args.serve:
            serve(peer)
            return
        if "train" in args.what:
            print(json.dumps(peer.measure("train", args.batch, args.reps)), flush=True)
        if "infer" in args.what:
            for batch in (1, args.batch):
                print(json.dumps(peer.measure("infer", batch, args.reps)), flush=True)


if __name__ == "__main__":
    main()

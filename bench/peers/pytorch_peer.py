"""PyTorch doing what a sepia step does: one training step (forward, cross-entropy, backward, Adam) and inference.

    python bench/peers/pytorch_peer.py edgenet eager --twins FOLDER --batch 32 --threads 2       (driven by compare.py; see serving.py)

Modes: eager (contiguous, PyTorch's own defaults), channels_last (also fused Adam), compile (channels_last and torch.compile), bf16 and
compile_bf16 (the same two under bf16 autocast), max_autotune and max_autotune_bf16 (compile with mode="max-autotune": Triton kernels
tuned on the spot, CUDA graphs). With --device cuda the pictures are on the GPU already, TF32 is allowed in fp32 products, and the loss is
read by the host after every step, as sepia reads its own.
"""

import argparse

import torch
import torch.nn.functional as F

import serving
import twins

MODES = ("eager", "channels_last", "compile", "bf16", "compile_bf16", "max_autotune", "max_autotune_bf16")


class Peer:
    """One network in one mode; holds what a training loop would hold."""

    def __init__(self, args):
        self.args = args
        self.bf16 = args.mode.endswith("bf16")
        self.format = torch.contiguous_format if args.mode == "eager" else torch.channels_last

    def placed(self, tensor):
        return tensor.to(device=self.args.device, memory_format=self.format)

    def compiled(self, model):
        """A new shape is compiled for itself: dynamic shapes would be slower."""
        if self.args.mode.startswith("compile"):
            return torch.compile(model, dynamic=False)
        if self.args.mode.startswith("max_autotune"):
            return torch.compile(model, dynamic=False, mode="max-autotune")
        return model

    def autocast(self):
        return torch.autocast(self.args.device, torch.bfloat16, enabled=self.bf16)

    def prepare(self, what, batch):
        model = self.placed(twins.load(self.args.model, self.args.twins))
        stored = serving.reference(self.args.twins, self.args.model)
        call = self.compiled(model)
        return self.training(model, call, stored) if what == "train" else self.inference(model, call, stored, batch)

    def training(self, model, call, stored):
        model.train()
        x = self.placed(torch.from_numpy(stored["x"][:self.args.batch]))
        y = twins.labels(self.args.batch).to(self.args.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=None if self.args.mode == "eager" else True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            with self.autocast():
                loss = F.cross_entropy(call(x), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step, lambda: abs(step() - float(stored["loss"])) / float(stored["loss"])

    def inference(self, model, call, stored, batch):
        model.eval()
        x = self.placed(torch.from_numpy(stored["x"][:batch]))

        def step():
            with torch.inference_mode(), self.autocast():
                logits = call(x)
            if self.args.device == "cuda":
                torch.cuda.synchronize()
            return logits

        return step, lambda: serving.difference(step().float().cpu().numpy(), stored["logits"][:batch])


def main():
    parser = argparse.ArgumentParser(description="Time PyTorch's training step and inference; see the head of this file.")
    parser.add_argument("model", choices=("simplenet", "edgenet", "xception", "xception_based"))
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--twins", required=True, help="the folder that twins.py wrote")
    parser.add_argument("--batch", type=int, default=32, help="of the training step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device")
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    serving.serve("PyTorch " + torch.__version__, Peer(args).prepare)


if __name__ == "__main__":
    main()

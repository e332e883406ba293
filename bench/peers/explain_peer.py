"""Explanations of 36 pictures by sepia and by PyTorch's libraries (pytorch-grad-cam, Captum), in turn, each in its own process.

    python bench/peers/explain_peer.py --bench build/explain_bench --rounds 5        prints a markdown table

Both sides begin with pictures in memory and a network that is built and warm, and end with 36 maps of 256x256; sepia's side starts from
bytes and its program is bench/explain_bench.cpp. pytorch-grad-cam gets all pictures in one batch, as it is used; Captum's saliency too, its
other methods as many at once as sepia (12 pictures: 25 samples, or 64 steps, of each). Weights are untrained and the pictures noise: no
time depends on them. Only edgenet and simplenet; layers as sepia's default (the last block, the last convolution).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

import twins
from tables import ratios, span

PICTURES, GROUP, SAMPLES, STEPS, NOISE = 36, 12, 25, 64, 0.1
LIBRARY = {"gradcam": "pytorch-grad-cam", "saliency": "Captum", "smoothgrad": "Captum", "ig": "Captum"}


def largest(values):
    return values.abs().amax(1).numpy()


def in_groups(work, x, y):
    return np.concatenate([work(a, b) for a, b in zip(x.split(GROUP), y.split(GROUP))])


def calls(network, fmt):
    """method -> a function that makes the 36 maps."""
    torch.manual_seed(0)
    model = twins.make(network).eval().to(memory_format=fmt)
    x = torch.randn(PICTURES, 3, twins.SIZE, twins.SIZE).contiguous(memory_format=fmt)
    y = twins.labels(PICTURES)
    cam = GradCAM(model=model, target_layers=[model.conv3 if network == "simplenet" else model.blocks[2]])
    saliency, noisy, integrated = Saliency(model), NoiseTunnel(Saliency(model)), IntegratedGradients(model)
    deviation = float(x.amax() - x.amin()) * NOISE
    return {
        "gradcam": lambda: cam(input_tensor=x, targets=[ClassifierOutputTarget(int(label)) for label in y]),
        "saliency": lambda: largest(saliency.attribute(x.clone().requires_grad_(), target=y)),
        "smoothgrad": lambda: in_groups(lambda a, b: largest(noisy.attribute(
            a, nt_type="smoothgrad", nt_samples=SAMPLES, nt_samples_batch_size=1, stdevs=deviation, target=b, abs=False)), x, y),
        "ig": lambda: in_groups(lambda a, b: integrated.attribute(
            a, baselines=torch.zeros_like(a), target=b, n_steps=STEPS, internal_batch_size=GROUP).sum(1).detach().numpy(), x, y),
    }


def sepia_seconds(bench, network, method, threads):
    command = [bench, f"--benchmark_filter=^{network}/{method}/{threads}/", "--benchmark_format=json", "--benchmark_min_time=0.05"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {bench}: {done.stderr.strip()}")
    found = json.loads(done.stdout)["benchmarks"]
    if len(found) != 1 or found[0].get("error_occurred"):
        sys.exit(f"error: {bench} {network}/{method}: {found[0].get('error_message') if found else 'no such benchmark; it knows one and two threads'}")
    return found[0]["real_time"] / 1e3


def main():
    parser = argparse.ArgumentParser(description="Time explanations; see the head of this file.")
    parser.add_argument("--bench", required=True, help="sepia's explain_bench")
    parser.add_argument("--networks", default="edgenet,simplenet")
    parser.add_argument("--methods", default="gradcam,saliency", help="comma-separated: " + ", ".join(LIBRARY) + " (the last two take minutes)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, choices=(1, 2))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    methods = args.methods.split(",")
    print(f"Explanations of {PICTURES} pictures of 256x256, in process on both sides, {args.threads} threads.\n")
    print("| network | method | sepia, s | peer | its best, s (layout) | times sepia's (lowest to highest round) |\n|---|---|---|---|---|---|")
    for network in args.networks.split(","):
        layouts = {"contiguous": calls(network, torch.contiguous_format), "channels_last": calls(network, torch.channels_last)}
        for method in methods:
            ours, theirs = [], {name: [] for name in layouts}
            for turn in range(-1, args.rounds):  # one round that does not count warms the peer
                mine = sepia_seconds(args.bench, network, method, args.threads) if turn >= 0 else 0
                for name, made in layouts.items():
                    begin = time.perf_counter()
                    made[method]()
                    if turn >= 0:
                        theirs[name].append(time.perf_counter() - begin)
                ours += [mine] if turn >= 0 else []
            best = min(theirs, key=lambda name: statistics.median(theirs[name]))
            print(f"| {network} | {method} | {statistics.median(ours):.3f} | {LIBRARY[method]} | {statistics.median(theirs[best]):.3f} ({best}) | "
                  f"**{span(ratios(theirs[best], ours))}** |", flush=True)
            print(f"{network} {method}: sepia {statistics.median(ours):.3f} s, {LIBRARY[method]} {statistics.median(theirs[best]):.3f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

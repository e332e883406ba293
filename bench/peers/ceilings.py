"""What this machine can do at best: a large copy, and large matrix products in fp32 and bf16, by PyTorch (oneDNN).

    python bench/peers/ceilings.py --threads 2       one JSON line: {"copy_gb_s", "fp32_gflop_s", "bf16_gflop_s"}, the best of ten

The copy counts bytes read and bytes written (256 MiB per array, larger than any cache here). The products are 2048 x 2048 x 2048.
"""

import argparse
import json
import time

import torch


def best_seconds(work, reps=10):
    seconds = []
    for _ in range(reps + 2):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds[2:])


def product_rate(dtype, size=2048):
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    out = torch.empty(size, size, dtype=dtype)
    return 2e-9 * size**3 / best_seconds(lambda: torch.mm(a, b, out=out))


def measure():
    source = torch.ones(64 << 20)
    target = torch.zeros_like(source)
    copy = 2e-9 * source.nbytes / best_seconds(lambda: target.copy_(source))
    return {"copy_gb_s": copy, "fp32_gflop_s": product_rate(torch.float32), "bf16_gflop_s": product_rate(torch.bfloat16)}


def main():
    parser = argparse.ArgumentParser(description="Measure copy and matrix product; see the head of this file.")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()

"""A whole process for one picture: `sepia predict` with edgenet beside the same in Python with PyTorch, and with ONNX Runtime.

    python bench/peers/cold_start.py --sepia build/sepia --twins FOLDER --rounds 5        prints a markdown table

Every process starts anew: program and libraries, weights, decoding, one forward pass, the answer on stdout. Files are in the page cache, for
all alike. Python's side imports no more than it needs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

NETWORK = "edgenet"
PYTORCH = """
import sys, numpy as np, torch
from PIL import Image
from safetensors.torch import load_file
sys.path.insert(0, sys.argv[3])
from counter_formula import MEAN, STD
from networks import build
torch.set_num_threads(int(sys.argv[4]))
model = build("edgenet", 256).eval()
model.load_state_dict(load_file(sys.argv[1]))
x = torch.from_numpy(((np.asarray(Image.open(sys.argv[2]).convert("RGB")) / 255.0 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)).contiguous()
with torch.inference_mode():
    print(model(x)[0].tolist())
"""
ONNX_RUNTIME = """
import sys, numpy as np, onnxruntime
from PIL import Image
sys.path.insert(0, sys.argv[3])
from counter_formula import MEAN, STD
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[4])
session = onnxruntime.InferenceSession(sys.argv[1].replace(".safetensors", ".onnx"), options, providers=["CPUExecutionProvider"])
x = ((np.asarray(Image.open(sys.argv[2]).convert("RGB")) / 255.0 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
print(session.run(None, {"x": x})[0][0].tolist())
"""


def commands(args):
    weights, picture = f"{args.twins}/{NETWORK}.safetensors", f"{args.twins}/picture0.png"
    golden = str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden")
    words = [weights, picture, golden, str(args.threads)]
    return {
        "sepia predict": [args.sepia, "predict", picture, "-m", weights, "--arch", NETWORK, "--threads", str(args.threads), "--json"],
        "Python, PyTorch": [sys.executable, "-c", PYTORCH, *words],
        "Python, ONNX Runtime": [sys.executable, "-c", ONNX_RUNTIME, *words],
    }


def run(command):
    """Seconds and logits; exits when the command fails."""
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"error: {command[0]}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return seconds, answer["logits"] if isinstance(answer, dict) else answer


def main():
    parser = argparse.ArgumentParser(description="Time cold starts; see the head of this file.")
    parser.add_argument("--sepia", required=True)
    parser.add_argument("--twins", required=True, help="the folder that twins.py wrote (with edgenet)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    who = commands(args)
    answers = {name: run(command)[1] for name, command in who.items()}  # not timed: fills the page cache, and shows that all agree
    largest = max(abs(value) for value in answers["Python, PyTorch"])
    for name, logits in answers.items():
        if max(abs(a - b) for a, b in zip(logits, answers["Python, PyTorch"])) > 2e-3 * largest:
            sys.exit(f"error: {name} answers {logits}, PyTorch {answers['Python, PyTorch']}")
    seconds = {name: [] for name in who}
    for _ in range(args.rounds):
        for name, command in who.items():
            seconds[name].append(run(command)[0])
    from tables import milliseconds, ratios, span

    ours = seconds["sepia predict"]
    print(f"Cold start: a whole process that judges one picture of 256x256 with {NETWORK}.\n\n| who | ms | times sepia's (lowest to highest round) |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {milliseconds(values)} | {'' if values is ours else span(ratios(values, ours), 1)} |")


if __name__ == "__main__":
    main()

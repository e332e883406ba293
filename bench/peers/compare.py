"""sepia and its peers in turn, and a table of ratios.

    python bench/peers/compare.py                                  (training step, batch 32, fp32, edgenet and simplenet)
    python bench/peers/compare.py --models edgenet --what train,infer1,infer32 --precision fp32,bf16 --rounds 7
    python bench/peers/compare.py --device cuda --precision bf16   (a GPU: channels_last with AMP and fused Adam, and max-autotune)

Each round runs sepia once, then every mode of PyTorch once (A B C A B C ...), so that a machine that slows down slows all; a
ratio is peer / sepia within a round, and the table gives the median over the rounds with the lowest and the highest. The
table goes to stdout (markdown), every measurement to --log as JSON lines, progress to stderr.

--ours is the command that times sepia; {model}, {batch}, {precision}, {threads}, {device} are filled in. It must print a JSON object
on its last line that holds train_step_s and infer_s (seconds, medians) and, if it likes, peak_rss_mib.
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OURS = str(HERE.parents[1] / "build" / "step_bench") + " {model} --batch {batch} --threads {threads} --device {device} --precision {precision}"
MODES = {
    "cpu": {"fp32": ("eager", "channels_last", "compile"), "bf16": ("bf16", "compile_bf16")},
    "cuda": {"fp32": ("eager", "channels_last", "max_autotune"), "bf16": ("bf16", "max_autotune_bf16")},
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class PytorchPeer:
    """One PyTorch process in one mode, alive over all rounds: compiled once, warm, and its peak memory its own."""

    def __init__(self, args, model, mode):
        self.mode = mode
        command = [args.python, str(HERE / "pytorch_step.py"), model, "--modes", mode, "--batch", str(args.batch), "--threads",
                   str(args.threads), "--device", args.device, "--serve"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"error: PyTorch ({self.mode}) ended early; its message stands above (bench/peers/README.md says what to install)")
        return json.loads(line)

    def measure(self, what, batch, reps):
        self.process.stdin.write(f"train {reps}\n" if what == "train" else f"infer {batch} {reps}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_ours(args, model, what, batch, precision):
    command = shlex.split(args.ours.format(model=model, batch=batch, precision=precision, threads=args.threads, device=args.device))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as problem:
        sys.exit(f"error: {command[0]}: {problem.strerror} (build it, or give --ours)")
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}: exit {done.returncode}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    seconds = result["train_step_s" if what == "train" else "infer_s"]
    return {"peer": "sepia", "model": model, "mode": precision, "what": what, "batch": batch, "threads": args.threads,
            "seconds": seconds, "peak_rss_mib": result.get("peak_rss_mib")}


def compare(args, model, kind, precision, log):
    """All rounds of one comparison; returns rows (name, seconds per round, peak MiB), sepia first."""
    what = "train" if kind == "train" else "infer"
    batch = args.batch if kind == "train" else int(kind.removeprefix("infer"))
    possible = MODES[args.device][precision]
    modes = [m for m in (args.modes.split(",") if args.modes else possible) if m in possible]
    peers = [PytorchPeer(args, model, mode) for mode in modes]
    rows = [["sepia", [], None]] + [[f"pytorch {mode}", [], None] for mode in modes]
    for peer in peers:
        peer.measure(what, batch, 1)  # warms up and compiles, before any round
    for turn in range(args.rounds):
        for row, run in zip(rows, [lambda: run_ours(args, model, what, batch, precision)] +
                            [lambda p=p: p.measure(what, batch, args.reps) for p in peers]):
            result = run()
            log.write(json.dumps({"round": turn, "precision": precision, **result}) + "\n")
            row[1].append(result["seconds"])
            row[2] = result.get("peak_rss_mib") or row[2]
        say(f"{model} {kind} {precision} round {turn + 1}/{args.rounds}: " + ", ".join(f"{r[0]} {r[1][-1]:.4f}" for r in rows))
    for peer in peers:
        peer.close()
    return rows


def table_rows(model, kind, precision, rows):
    ours = rows[0][1]
    lines = []
    for name, seconds, rss in rows:
        ratios = [theirs / mine for theirs, mine in zip(seconds, ours)]
        spread = "" if name == "sepia" else f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        memory = f"{rss:.0f}" if rss else ""
        lines.append(f"| {model} | {kind} | {precision} | {name} | {statistics.median(seconds) * 1e3:.2f} | {spread} | {memory} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description="Time sepia and PyTorch in turn; see the head of this file.")
    parser.add_argument("--models", default="edgenet,simplenet")
    parser.add_argument("--what", default="train", help="comma-separated: train, infer1, infer32 (any batch)")
    parser.add_argument("--precision", default="fp32", help="fp32, bf16 or both with a comma")
    parser.add_argument("--modes", default="", help="PyTorch modes (default: all of the precision)")
    parser.add_argument("--device", default="cpu", choices=tuple(MODES))
    parser.add_argument("--batch", type=int, default=32, help="of the training step")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reps", type=int, default=5, help="timed repetitions of a peer in a round (their median counts)")
    parser.add_argument("--ours", default=OURS, help="command template (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="the Python that has torch")
    parser.add_argument("--log", default=os.devnull, help="JSON lines of every measurement")
    args = parser.parse_args()
    print("| network | what | precision | who | ms | times sepia's (lowest to highest) | peak RSS, MiB |\n|---|---|---|---|---|---|---|")
    with open(args.log, "w", encoding="utf-8") as log:
        for model in args.models.split(","):
            for kind in args.what.split(","):
                for precision in args.precision.split(","):
                    print("\n".join(table_rows(model, kind, precision, compare(args, model, kind, precision, log))), flush=True)


if __name__ == "__main__":
    main()

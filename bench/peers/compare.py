"""sepia and its peers in turn: training steps, inference, peak memory, cold starts and explanations, as tables of ratios.

    bench/peers/run.sh                                              makes the virtual environment and runs this with it
    python bench/peers/compare.py --quick                           the same with few repetitions: does everything work?
    python bench/peers/compare.py --networks edgenet --what train,infer1 --precision fp32 --rounds 7
    python bench/peers/compare.py --repeat 3 --append bench/RESULTS.md
    python bench/peers/compare.py --device cuda --parts networks    (a GPU: channels_last with AMP and fused Adam, and max-autotune)

Each contender is one process that lives through all rounds (one for training, one for inference) and stands still while another has its turn. A round gives
every contender one burst (after one untimed step; the median of the burst counts), and begins with another contender each time. A ratio
is peer / sepia within a round, so that a machine that slows down slows both. Before anything is timed, every contender's answer is held
against the PyTorch twin's. The tables go to stdout (markdown), every measurement to --log as JSON lines, progress to stderr.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import tables
from contender import ALLOWED, Contender, Failed

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTORCH = {
    "cpu": {"fp32": ("eager", "channels_last", "compile"), "bf16": ("bf16", "compile_bf16")},
    "cuda": {"fp32": ("eager", "channels_last", "max_autotune"), "bf16": ("bf16", "max_autotune_bf16")},
}
PARTS = ("ceilings", "networks", "cold", "explain")
# Minutes at 5 rounds in both precisions on two cores, reckoned from single steps; for the estimate.
MINUTES = {"edgenet": 2, "simplenet": 2, "xception": 10, "xception_based": 10, "ceilings": 0.2, "cold": 0.5, "explain": 1.5}


def say(text):
    print(text, file=sys.stderr, flush=True)


def contenders_of(args, twins, network, kind, precision):
    """(who, command) of everyone who does this, sepia first."""
    python = [sys.executable, "-W", "ignore"]
    shared = ["--twins", twins, "--threads", str(args.threads)]
    who = [("sepia", [args.step_bench, network, "--serve", "--batch", str(args.batch), "--threads", str(args.threads), "--device", args.device, "--precision", precision])]
    for mode in PYTORCH[args.device][precision]:
        if not args.modes or mode in args.modes:
            who.append((f"PyTorch {mode}", [*python, str(HERE / "pytorch_peer.py"), network, mode, "--batch", str(args.batch), "--device", args.device, *shared]))
    if kind == "train" or args.device != "cpu":
        return who
    if not args.modes or "onnxruntime" in args.modes:
        who.append(("ONNX Runtime", [*python, str(HERE / "onnxruntime_peer.py"), network, *shared] if precision == "fp32" else None))
    if not args.modes or "openvino" in args.modes:
        who.append(("OpenVINO", [*python, str(HERE / "openvino_peer.py"), network, precision, *shared]))
    return who


def environment_of(args):
    """One number of threads for all; --isa holds back whoever can be held back."""
    values = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    if args.isa == "avx2":
        values.update(SEPIA_MAX_ISA="avx2", ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2")
    return values


def allowed(args, precision):
    return ALLOWED["tf32" if args.device == "cuda" and precision == "fp32" else precision]


def row_of(who, contender=None, why=""):
    if contender is None:
        return {"who": who, "seconds": [], "peak_mib": None, "at_start_mib": None, "difference": None, "why": why}
    return {"who": who, "seconds": contender.seconds, "peak_mib": contender.peak_mib, "at_start_mib": contender.at_start_mib,
            "difference": contender.difference, "why": why, "version": contender.version}


def available_mib():
    for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    return float("inf")


class Field:
    """All contenders of one network in one precision, for training or for inference; who fails is out, and `absent` says why."""

    def __init__(self, args, twins, network, kind, precision):
        self.name, self.absent, self.alive = f"{network} {precision}", [], []
        for who, command in contenders_of(args, twins, network, kind, precision):
            if command is None:
                self.absent.append(row_of(who, why="computes in fp32 only on this processor"))
                continue
            try:  # all are started before the first is waited for
                self.alive.append(Contender(who, command, allowed(args, precision), environment_of(args)))
            except Failed as problem:
                self.absent.append(row_of(who, why=str(problem)))
        self.each(lambda contender: contender.ready())

    def each(self, work, first=0):
        """work(contender) for all, beginning with number `first`."""
        first %= max(1, len(self.alive))
        for contender in self.alive[first:] + self.alive[:first]:
            try:
                work(contender)
            except Failed as problem:
                say(f"{self.name}: no {contender.who}: {problem}")
                self.absent.append(row_of(contender.who, why=str(problem)))
                self.alive.remove(contender)
                contender.close()

    def make_room(self, contender):
        """Three PyTorch processes that train xception keep 4.6 GB each between their steps, which need 7: where memory is short they let go."""
        needed = max(other.memory("VmHWM") or 0 for other in self.alive) - (contender.memory("VmRSS") or 0)
        if available_mib() < needed + 512:
            say(f"{self.name}: memory is short, {contender.who} gets what the others keep")
            for other in self.alive:
                if other is not contender:
                    other.trim()

    def close(self):
        for contender in self.alive:
            contender.close()


def compare(args, field, network, kind, precision, log):
    """All rounds of one kind of work."""
    what, batch = ("train", args.batch) if kind == "train" else ("infer", int(kind.removeprefix("infer")))

    def prepare(contender):
        field.make_room(contender)
        contender.prepare(what, batch, args.burst)

    def take_turn(contender):
        field.make_room(contender)
        contender.turn(what, batch)

    field.each(prepare)
    for turn in range(args.rounds):
        field.each(take_turn, turn)
        for c in field.alive:
            log.write(json.dumps({"network": network, "what": kind, "precision": precision, "round": turn, "who": c.who, "seconds": c.seconds[-1], "reps": c.reps,
                                  "peak_mib": c.peak_mib}) + "\n")
        say(f"{network} {kind} {precision} round {turn + 1}/{args.rounds}: " + ", ".join(f"{c.who} {c.seconds[-1] * 1e3:.4g} ms" for c in field.alive))
    return tables.Comparison(network, kind, precision, [row_of(c.who, c) for c in field.alive] + field.absent)


def same_network(args, twins, network, precision):
    """How far sepia's logits of four pictures are from the twin's with the same weights, over the largest logit."""
    import numpy as np

    from serving import difference, reference

    command = [args.sepia, "predict", *(f"{twins}/picture{i}.png" for i in range(4)), "-m", f"{twins}/{network}.safetensors", "--arch", network, "--image-size", "256",
               "--precision", precision, "--device", args.device, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, env=environment_of(args))
    if done.returncode:
        return f"{network} {precision} none ({done.stderr.strip().splitlines()[-1].removeprefix('error: ')})"
    apart = difference(np.array([json.loads(line)["logits"] for line in done.stdout.splitlines()]), reference(twins, network)["of_pictures"])
    if not apart <= allowed(args, precision):
        sys.exit(f"error: sepia's {network} in {precision} differs from the twin by {apart:.2g}: nothing it does would be worth timing")
    return f"{network} {precision} {apart:.1e}"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def flags():
    words = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return ", ".join(name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512"), ("avx512_bf16", "AVX-512 BF16"), ("amx_bf16", "AMX BF16")) if flag in words) or "no AVX2"


def machine_lines(args, ceilings, versions, started):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip() or "unknown"
    lines = [f"{started:%Y-%m-%d %H:%M}, commit {commit}, {processor()}, {os.cpu_count()} cores ({args.threads} threads used), {flags()}, {memory:.0f} GiB, "
             f"load {os.getloadavg()[0]:.1f} at the end; {', '.join(sorted(versions)) or 'no peer'}."]
    lines.append(f"`bench/peers/compare.py {' '.join(sys.argv[1:])}`: {args.rounds} rounds, bursts of about {args.burst} s, batch {args.batch}.")
    if args.isa:
        lines.append(f"Held to {args.isa}: sepia and PyTorch; ONNX Runtime and OpenVINO choose their own instructions.")
    if ceilings:
        lines.append("Ceilings: " + "; ".join(f"copy {c['copy_gb_s']:.1f} GB/s, product fp32 {c['fp32_gflop_s']:.0f}, bf16 {c['bf16_gflop_s']:.0f} GFLOP/s" for c in ceilings) + ".")
    return lines


def run_script(args, script, *words):
    """Another script of this folder, its markdown lines."""
    done = subprocess.run([sys.executable, "-W", "ignore", str(HERE / script), *words], stdout=subprocess.PIPE, text=True, check=False, env=environment_of(args))
    if done.returncode:
        say(f"{script}: exit code {done.returncode}, left out")
        return []
    return done.stdout.splitlines()


def networks_part(args, twins, log):
    comparisons, checks = [], []
    for network in args.networks:
        if not (pathlib.Path(twins) / f"{network}.npz").exists():
            subprocess.run([sys.executable, "-W", "ignore", str(HERE / "twins.py"), twins, network, str(args.batch)], check=True)
        for precision in args.precision:
            checks.append(same_network(args, twins, network, precision))
            say("sepia's difference from the twin: " + checks[-1])
        for kinds in ([kind for kind in args.what if kind == "train"], [kind for kind in args.what if kind != "train"]):
            for precision in args.precision if kinds else ():
                field = Field(args, twins, network, kinds[0], precision)
                try:
                    comparisons += [compare(args, field, network, kind, precision, log) for kind in kinds]
                finally:
                    field.close()
    return comparisons, checks


def measure(args, twins, log):
    ceilings, repetitions, checks, extra = [], [], [], []
    for _ in range(args.repeat):
        if "ceilings" in args.parts and args.device == "cpu":
            lines = run_script(args, "ceilings.py", "--threads", str(args.threads))
            ceilings += [json.loads(line) for line in lines]
            say("ceilings: " + "".join(lines))
        if "networks" in args.parts:
            comparisons, checks = networks_part(args, twins, log)
            repetitions.append(comparisons)
        if "cold" in args.parts:
            extra += ["", *run_script(args, "cold_start.py", "--sepia", args.sepia, "--twins", twins, "--rounds", str(args.rounds), "--threads", str(args.threads))]
        if "explain" in args.parts:
            extra += ["", *run_script(args, "explain_peer.py", "--bench", args.explain_bench, "--rounds", str(args.rounds), "--threads", str(args.threads))]
    return ceilings, repetitions, checks, extra


def block(args, started, measured):
    """Everything as one piece of markdown."""
    ceilings, repetitions, checks, extra = measured
    versions = {row["version"] for comparisons in repetitions for c in comparisons for row in c.rows if row.get("version") and row["who"] != "sepia"}
    lines = [f"## sepia and its peers, {started:%Y-%m-%d %H:%M}", "", *machine_lines(args, ceilings, versions, started)]
    if repetitions:
        lines += ["", "sepia's logits beside the twin's with the same weights, over the largest: " + "; ".join(checks) + ".", "", *tables.summary(repetitions)]
        for table in (tables.memory(repetitions[-1]), tables.details(repetitions[-1])):
            lines += ["", *table] if table else []
    return "\n".join(lines + extra) + "\n"


def words(text):
    return [word for word in text.split(",") if word]


def arguments():
    build = pathlib.Path(os.environ.get("PEERS_BUILD", ROOT / "build"))
    parser = argparse.ArgumentParser(description="Time sepia and its peers in turn; see the head of this file.")
    parser.add_argument("--networks", "--models", type=words, default=words("edgenet,simplenet,xception_based"))
    parser.add_argument("--what", type=words, default=words("train,infer1,infer32"), help="comma-separated: train, infer1, infer32")
    parser.add_argument("--precision", type=words, default=words("fp32,bf16"))
    parser.add_argument("--parts", type=words, default=list(PARTS), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--modes", type=words, default=[], help="only these: PyTorch's modes, onnxruntime, openvino")
    parser.add_argument("--device", default="cpu", choices=tuple(PYTORCH))
    parser.add_argument("--batch", type=int, default=32, help="of the training step")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1, help="the whole run so many times; the tables give every median")
    parser.add_argument("--burst", type=float, default=0.3, help="seconds that a contender works in a round, at least one step")
    parser.add_argument("--isa", default="", choices=("", "avx2"), help="hold sepia and PyTorch to these instructions")
    parser.add_argument("--quick", action="store_true", help="one round of short bursts: proves that everything runs, measures nothing")
    parser.add_argument("--step-bench", default=str(build / "step_bench"))
    parser.add_argument("--explain-bench", default=str(build / "explain_bench"))
    parser.add_argument("--sepia", default=str(build / "sepia"))
    parser.add_argument("--append", metavar="FILE", help="add the tables to the end of this file too")
    parser.add_argument("--log", default=os.devnull, help="JSON lines of every measurement")
    args = parser.parse_args()
    for given, known in ((args.what, None), (args.precision, PYTORCH["cpu"]), (args.parts, PARTS), (args.networks, MINUTES)):
        wrong = [w for w in given if not (w in known if known else w == "train" or (w.startswith("infer") and w[5:].isdigit() and 0 < int(w[5:]) <= max(32, args.batch)))]
        if wrong:
            parser.error(f"unknown: {', '.join(wrong)}")
    if args.quick:
        args.rounds, args.burst = 1, 0.02
    return args


def estimate(args):
    share = args.rounds / 5 * 0.5 + 0.5  # half the time is starting, compiling and warming up
    parts = [MINUTES[part] * (1 if part == "ceilings" else share) for part in args.parts if part != "networks"]
    if "networks" in args.parts:
        parts += [MINUTES[network] * share * len(args.precision) / 2 * sum(0.6 if kind == "train" else 0.2 for kind in args.what) for network in args.networks]
    return sum(parts) * args.repeat


def main():
    args = arguments()
    say(f"about {estimate(args):.0f} min on two quiet cores; nothing else should run meanwhile (load now: {os.getloadavg()[0]:.1f})")
    started, begin = datetime.datetime.now(), time.monotonic()
    with tempfile.TemporaryDirectory() as twins, open(args.log, "w", encoding="utf-8") as log:
        text = block(args, started, measure(args, twins, log))
    print(text, flush=True)
    if args.append:
        with open(args.append, "a", encoding="utf-8") as out:
            out.write("\n" + text)
    say(f"took {(time.monotonic() - begin) / 60:.1f} min")


if __name__ == "__main__":
    main()

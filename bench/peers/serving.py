"""What every peer's process does: says that it is ready, then answers requests until its input ends.

    "train REPS" or "infer BATCH REPS"  ->  {"seconds": [...], "difference": D}
    "trim"                              ->  {}, and the memory that the allocator had kept is the system's again

The first request for a kind of work runs it once before the clock starts (compilation, plans, buffers; and it is only a rehearsal, see
contender.py), and so do later ones, unless it takes over a second. `difference` is how far the work's answer was from the twin's at the first
run of all: largest difference of a logit over the largest logit, or of the first training step's loss, relative. step_bench --serve speaks
the same language without `difference` and "trim".
"""

import ctypes
import json
import pathlib
import sys
import time

import numpy as np


def reference(folder, name):
    """x, logits and loss as twins.py wrote them."""
    return np.load(pathlib.Path(folder) / f"{name}.npz")


def difference(logits, expected):
    """The largest difference of a logit over the largest logit."""
    return float(np.abs(np.asarray(logits, dtype=np.float64) - expected).max() / np.abs(expected).max())


def seconds_of(step, reps, warm_up):
    for _ in range(warm_up):
        step()
    seconds = []
    for _ in range(reps):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return seconds


def serve(name, prepare):
    """`prepare(what, batch)` makes what is timed: a step to call, and a check that runs it once and returns the difference."""
    print(json.dumps({"ready": True, "name": name}), flush=True)
    known = {}
    for line in sys.stdin:
        words = line.split()
        if words == ["trim"]:
            ctypes.CDLL(None).malloc_trim(0)
            for work in known.values():
                work[2] = 0.0  # the next step must fetch the memory anew: it is not timed
            print("{}", flush=True)
            continue
        what, batch, reps = words[0], int(words[1]) if words[0] == "infer" else 0, int(words[-1])
        if (what, batch) not in known:
            step, check = prepare(what, batch)
            apart = check()
            known[what, batch] = [step, apart, 0.0]
            warm_up = 0
        else:
            warm_up = 1 if known[what, batch][2] < 1 else 0
        step, apart, _ = known[what, batch]
        seconds = seconds_of(step, reps, warm_up)
        known[what, batch][2] = min(seconds)
        print(json.dumps({"seconds": seconds, "difference": apart}), flush=True)

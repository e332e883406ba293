"""A contender: one long-lived process that does one kind of work, and stands still (SIGSTOP) while others have their turn.

Its language is described in serving.py. Memory is read from /proc by the conductor, alike for all: the peak is that of the steps after the
first (VmHWM, reset once everything is built, compiled and warm), `at_start` what the process held before it built anything.
"""

import contextlib
import ctypes
import json
import pathlib
import select
import signal
import statistics
import subprocess
import tempfile

PATIENCE = 900  # seconds; compiling xception takes two minutes
ALLOWED = {"fp32": 2e-3, "tf32": 2e-2, "bf16": 0.1}  # difference from the twin's answer, see serving.py


class Failed(Exception):
    """The contender cannot take part; its message says why."""


def die_with_parent():
    """In the child: a stopped process must not outlive its conductor."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Contender:
    def __init__(self, who, command, allowed, environment):
        """Starts the process and does not wait for it: ready() does."""
        self.who, self.allowed, self.version = who, allowed, ""
        self.seconds, self.reps, self.peak_mib, self.at_start_mib, self.difference = [], 1, None, None, None
        self.errors = tempfile.TemporaryFile(mode="w+")
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment,
                                            preexec_fn=die_with_parent)
        except OSError as problem:
            raise Failed(f"{command[0]}: {problem.strerror}") from None

    def ready(self):
        self.version = self.read()["name"]
        self.at_start_mib = self.memory("VmRSS")
        self.process.send_signal(signal.SIGSTOP)

    def read(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"no answer within {PATIENCE} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = [text.strip() for text in self.errors.read().splitlines() if text.strip()]
            raise Failed(said[-1] if said else f"ended with exit code {self.process.returncode}")
        return json.loads(line)

    def ask(self, what, batch, reps):
        return self.request(f"train {reps}" if what == "train" else f"infer {batch} {reps}")

    def request(self, words):
        try:
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # read() tells what it said
        return self.read()

    @contextlib.contextmanager
    def awake(self):
        self.process.send_signal(signal.SIGCONT)
        yield
        self.process.send_signal(signal.SIGSTOP)

    def memory(self, field):
        """MiB of VmRSS or VmHWM."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return None

    def prepare(self, what, batch, burst):
        """Builds, compiles, warms up and checks; settles how many repetitions make a burst of that many seconds."""
        with self.awake():
            answer = self.ask(what, batch, 1)
            self.difference = answer.get("difference")
            if self.difference is not None and not self.difference <= self.allowed:
                raise Failed(f"its answer differs from the twin's by {self.difference:.2g}")
            self.seconds, self.reps = [], max(1, min(1000, round(burst / answer["seconds"][0])))
            pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew

    def turn(self, what, batch):
        with self.awake():
            self.seconds.append(statistics.median(self.ask(what, batch, self.reps)["seconds"]))
            self.peak_mib = self.memory("VmHWM")

    def trim(self):
        """Gives back what the allocator keeps between steps; sepia's memory is planned once and stays."""
        if self.who != "sepia":
            with self.awake():
                self.request("trim")

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

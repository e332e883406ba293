"""Measurements as markdown tables. A ratio is a peer's time over sepia's within a round: above 1 sepia is faster."""

import statistics

WORDS = {"train": "training step", "infer1": "inference, 1", "infer32": "inference, 32"}


def milliseconds(seconds):
    return f"{statistics.median(seconds) * 1e3:.3g}" if statistics.median(seconds) < 1 else f"{statistics.median(seconds) * 1e3:.0f}"


def ratios(theirs, ours):
    return [a / b for a, b in zip(theirs, ours)]


def span(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


class Comparison:
    """What one kind of work with one network in one precision gave: rows {"who", "seconds", "peak_mib", "at_start_mib", "why"}."""

    def __init__(self, network, kind, precision, rows):
        self.network, self.kind, self.precision, self.rows = network, kind, precision, rows
        timed = [row for row in rows if row["seconds"]]
        self.ours = next((row for row in timed if row["who"] == "sepia"), None)
        self.peers = [row for row in timed if row["who"] != "sepia"]
        self.best = min(self.peers, key=lambda row: statistics.median(row["seconds"]), default=None)

    def title(self):
        return f"| {self.network} | {WORDS.get(self.kind, self.kind)} | {self.precision} |"

    def ratio(self, row=None):
        return ratios((row or self.best)["seconds"], self.ours["seconds"])

    def whole(self):
        return self.ours is not None and self.best is not None


def summary(repetitions):
    """One line for every comparison: sepia beside the best mode of any peer. `repetitions` is a list of lists of Comparison."""
    lines = ["| network | what | precision | sepia, ms | best peer | its ms | times sepia's (lowest to highest round) | median of each repetition |",
             "|---|---|---|---|---|---|---|---|"]
    for same in zip(*repetitions):
        first = same[0]
        if not first.whole():
            why = next((row["why"] for row in first.rows if row["who"] == "sepia" and row["why"]), "not measured")
            other = f"{first.best['who']} | {milliseconds(first.best['seconds'])}" if first.best else "none | "
            lines.append(f"{first.title()} {'' if first.ours is None else milliseconds(first.ours['seconds'])} | {other} | {'' if first.ours else why} | |")
            continue
        over = [value for comparison in same if comparison.whole() for value in comparison.ratio()]
        medians = ", ".join(f"{statistics.median(comparison.ratio()):.2f}" for comparison in same if comparison.whole())
        lines.append(f"{first.title()} {milliseconds(first.ours['seconds'])} | {first.best['who']} | {milliseconds(first.best['seconds'])} | **{span(over)}** | {medians} |")
    return lines


def memory(comparisons):
    """Peaks of training: beside the fastest mode and beside the leanest."""
    lines = ["| network | precision | sepia, MiB | fastest peer, MiB | share | leanest peer, MiB | share | the networks' part alone: sepia / fastest |",
             "|---|---|---|---|---|---|---|---|"]
    for c in comparisons:
        if c.kind != "train" or not c.whole():
            continue
        lean = min(c.peers, key=lambda row: row["peak_mib"])
        ours, best = c.ours["peak_mib"], c.best["peak_mib"]
        grown = [row["peak_mib"] - row["at_start_mib"] for row in (c.ours, c.best)]
        lines.append(f"| {c.network} | {c.precision} | {ours:.0f} | {best:.0f} ({c.best['who']}) | **{100 * ours / best:.0f}%** | {lean['peak_mib']:.0f} ({lean['who']}) | "
                     f"{100 * ours / lean['peak_mib']:.0f}% | {grown[0]:.0f} / {grown[1]:.0f} ({100 * grown[0] / grown[1]:.0f}%) |")
    return lines if len(lines) > 2 else []


def details(comparisons):
    lines = ["| network | what | precision | who | ms (fastest to slowest round) | times sepia's | peak RSS, MiB | difference from the twin |", "|---|---|---|---|---|---|---|---|"]
    for c in comparisons:
        for row in c.rows:
            if not row["seconds"]:
                lines.append(f"{c.title()} {row['who']} | none: {row['why']} | | | |")
                continue
            times = f"{milliseconds(row['seconds'])} ({min(row['seconds']) * 1e3:.3g} to {max(row['seconds']) * 1e3:.3g})"
            ratio = "" if row["who"] == "sepia" or c.ours is None else span(c.ratio(row))
            apart = "" if row["difference"] is None else f"{row['difference']:.1e}"
            lines.append(f"{c.title()} {row['who']} | {times} | {ratio} | {row['peak_mib']:.0f} | {apart} |")
    return lines

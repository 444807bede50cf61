"""The table: each situation with each proxy, and the sums."""

import statistics

COLUMNS = ["situation", "proxy", "found", "delay", "work", "back", "false", "failed", "slow", "> 0.5 s", "> 1 s"]
SLOW = 5  # times the healthy p99


def seconds(value):
    return "-" if value is None else f"{value:.1f} s"


class Row:
    """A situation with a proxy, over the rounds."""

    def __init__(self, situation, runs, healthy_p99):
        self.bad = len(situation.bad) * len(runs)
        self.delays = [delay for run in runs for delay in run["delays"]]
        self.found = sum(delay is not None for delay in self.delays)
        self.work = [work for run in runs for work in run["work"]]
        self.back = [back for run in runs for back in run["back"]]
        self.false = sum(len(run["accusations"]) for run in runs)
        mean = lambda of: round(statistics.mean(of(run) for run in runs))
        slow = lambda run: sum(took > max(SLOW * healthy_p99, 0.015) for took in run["latencies"])
        over = lambda limit: mean(lambda run: sum(took > limit for took in run["latencies"] + run["failed_after"]))
        self.failed = mean(lambda run: run["failed"])
        self.counts = [self.failed, mean(slow), over(0.5), over(1.0)]

    def worst(self, values):
        return None if None in values or not values else max(values)

    def cells(self):
        found = f"{self.found}/{self.bad}" if self.bad else ""
        delay = seconds(self.worst([d for d in self.delays if d is not None])) if self.bad else ""
        work = f"{100 * statistics.mean(self.work):.0f} %" if self.bad else ""
        back = seconds(self.worst(self.back)) if self.bad else ""
        return [found, delay, work, back, *map(str, [self.false, *self.counts])]


def markdown(rows):
    widths = [max(len(row[at]) for row in [COLUMNS, *rows]) for at in range(len(COLUMNS))]
    show = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    return "\n".join([show(COLUMNS), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(show, rows)])


def total(name, rows, bad):
    """Over situations of one kind: sums, and the median delay of what was found."""
    delays = [delay for row in rows for delay in row.delays if delay is not None]
    found = f"{sum(row.found for row in rows)}/{sum(row.bad for row in rows)}" if bad else ""
    sums = [str(sum(row.counts[at] for row in rows)) for at in range(4)]
    kind = "ALL FAULTS" if bad else "ALL NUISANCES"
    middle = seconds(statistics.median(delays)) + " median" if delays else ""
    work = f"{100 * statistics.mean(share for row in rows for share in row.work):.0f} %" if bad else ""
    return [kind, name, found, middle, work, "", str(sum(row.false for row in rows)), *sums]


def brief(played, rows, proxies):
    """A line for each situation; of each proxy the delay (of a nuisance: false accusations) and the requests that failed or were slow."""
    lines = [["situation", *proxies], ["---"] * (len(proxies) + 1)]
    for situation in played:
        cells = [situation.what]
        for proxy in proxies:
            if row := rows.get((situation, proxy)):
                missed = "never" if row.found == 0 else f"{row.found} of {row.bad}"
                seen = seconds(row.worst(row.delays)) if row.found == row.bad else missed
                cells.append(f"{seen if row.bad else row.false}, {row.failed + row.counts[1]}")
            else:
                cells.append("")
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def render(played, results, proxies, is_brief):
    """`results[situation name, proxy]` is a list of figures, one of each round."""
    p99 = {
        proxy: statistics.median([run["healthy_p99"] for (_, p), runs in results.items() if p == proxy for run in runs] or [0])
        for proxy in proxies
    }
    rows, lines = {}, []
    for situation in played:
        label = situation.name
        for proxy in proxies:
            if runs := results.get((situation.name, proxy)):
                row = rows[situation, proxy] = Row(situation, runs, p99[proxy])
                lines.append([label, proxy, *row.cells()])
                label = ""
    for bad in (True, False):
        for proxy in proxies:
            of = [row for (situation, p), row in rows.items() if p == proxy and bool(situation.bad) == bad]
            if of:
                lines.append(total(proxy, of, bad))
    late = [run["late_p99"] for runs in results.values() for run in runs]
    told = ", ".join(f"{proxy} {p99[proxy] * 1000:.1f} ms" for proxy in proxies)
    notes = [
        f"healthy p99 (median of the runs; slow = over {SLOW} times that): {told}",
        f"the load itself was late by (p99 of a run): median {statistics.median(late) * 1000:.1f} ms, at worst {max(late) * 1000:.1f} ms",
    ]
    legend = [f"{s.name}: {s.what}" for s in played]
    table = [brief(played, rows, proxies), "", markdown(lines[len(rows) :])] if is_brief else [markdown(lines)]
    return "\n".join([*table, "", *notes, *([] if is_brief else ["", *legend])])

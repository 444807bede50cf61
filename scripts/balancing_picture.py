#!/usr/bin/env python3
"""Draws docs/img/balancing.svg from docs/img/balancing.json, which a run of the simulated fleet writes:

    cargo test --test balance -- --ignored picture
    python3 scripts/balancing_picture.py
"""

import json
import math
import pathlib

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "img"

# Sizes in pixels.
LABELS, CELL, ROW, HEAD, FOOT = 206, 226, 46, 74, 62
BAR, GAP, BAR_HEIGHT, SHARE_MAX = 9, 2, 30, 18.0  # a bar that high is 18 %
P99_AT, P99_WIDTH = 108, 62
P99_RANGE = (10.0, 100_000.0)  # milliseconds, on a logarithmic scale

INK, QUIET, LINE, USUAL, ODD, GOOD, BAD = "#1f2933", "#616e7c", "#e4e7eb", "#5b8db8", "#e07a1f", "#7b8794", "#c0392b"
FONT = "font-family='DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'"


def text(x, y, words, size=11, colour=INK, anchor="start", weight="normal"):
    style = f"{FONT} font-size='{size}' fill='{colour}' text-anchor='{anchor}' font-weight='{weight}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{words}</text>"


def box(x, y, width, height, colour):
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{colour}'/>"


def line(x1, y1, x2, y2, colour=LINE, dash=""):
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' {dash}/>"


def time(milliseconds):
    return f"{milliseconds / 1000:.0f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def cell(x, y, run, weights, usual_p99):
    """One algorithm in one situation: a bar for each backend's share, and the p99."""
    base = y + ROW - 8
    parts = []
    for backend, (share, weight) in enumerate(zip(run["shares"], weights)):
        left = x + backend * (BAR + GAP)
        height = min(share / SHARE_MAX, 1.0) * BAR_HEIGHT
        parts.append(box(left, base - height, BAR, height, ODD if backend == len(weights) - 1 else USUAL))
        fair = base - 100 * weight / sum(weights) / SHARE_MAX * BAR_HEIGHT
        parts.append(line(left - 1, fair, left + BAR + 1, fair, INK, "stroke-dasharray='2 1' stroke-width='0.8'"))
    low, high = map(math.log, P99_RANGE)
    length = (math.log(max(run["p99"], P99_RANGE[0])) - low) / (high - low) * P99_WIDTH
    colour = BAD if run["p99"] > 2 * usual_p99 else GOOD
    parts.append(box(x + P99_AT, base - 10, P99_WIDTH, 10, "#f1f3f5"))
    parts.append(box(x + P99_AT, base - 10, min(length, P99_WIDTH), 10, colour))
    parts.append(text(x + P99_AT, base - 15, "p99 " + time(run["p99"]), 10, colour if colour == BAD else INK))
    return parts


def picture(situations):
    names = [run["algorithm"] for run in situations[0]["runs"]]
    width, height = LABELS + CELL * len(situations), HEAD + ROW * len(names) + FOOT
    # the same for every situation: round robin when all are alike
    usual_p99 = situations[0]["runs"][0]["p99"]
    parts = [box(0, 0, width, height, "#ffffff")]
    for column, situation in enumerate(situations):
        x = LABELS + column * CELL
        parts.append(text(x, 24, situation["name"], 14, INK, weight="bold"))
        for row, words in enumerate(situation["what"].split("; ")):
            parts.append(text(x, 41 + 13 * row, words, 9.5, QUIET))
    for row, name in enumerate(names):
        y = HEAD + row * ROW
        parts.append(line(0, y, width, y))
        first, _, option = name.partition(", ")
        parts.append(text(12, y + (24 if option else 28), first, 11, INK, weight="bold"))
        parts.append(text(12, y + 37, option, 9.5, QUIET))
        for column, situation in enumerate(situations):
            parts += cell(LABELS + column * CELL, y, situation["runs"][row], situation["weights"], usual_p99)
    y = HEAD + ROW * len(names)
    parts.append(line(0, y, width, y))
    parts.append(box(12, y + 14, 10, 10, USUAL))
    parts.append(box(24, y + 14, 10, 10, ODD))
    parts.append(text(42, y + 23, "share of the attempts that each of eight backends gets; the last one is the odd one.", 10, QUIET))
    dash = "stroke-dasharray='2 1' stroke-width='0.8'"
    parts.append(line(12, y + 40, 34, y + 40, INK, dash))
    parts.append(text(42, y + 43, "its fair share by weight.", 10, QUIET))
    parts.append(box(212, y + 35, 22, 10, BAD))
    note = "p99 on a logarithmic scale from 10 ms to 100 s, red above twice that of the even fleet. Seconds: a line that only grows."
    parts.append(text(242, y + 43, note, 10, QUIET))
    view = f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'"
    title = "<title>How each algorithm spreads load, and its tail latency, in four situations</title>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {view}>{title}\n" + "\n".join(p for p in parts if p) + "\n</svg>\n"


if __name__ == "__main__":
    situations = json.loads((IMAGES / "balancing.json").read_text())["situations"]
    (IMAGES / "balancing.svg").write_text(picture(situations))

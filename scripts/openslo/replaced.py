#!/usr/bin/env python3
"""Prints a proxy.toml whose sections [service.NAME.sla] are taken from another file: replaced.py PROXY_TOML SECTIONS."""

import pathlib
import re
import sys

HEADER = re.compile(r"^\[")
PROMISE = re.compile(r"^\[service\..*\.sla\]$")

kept, is_kept = [], True
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    if HEADER.match(line):
        is_kept = not PROMISE.match(line.strip())
    if is_kept:
        kept.append(line)
print("\n".join(kept))
print(pathlib.Path(sys.argv[2]).read_text())

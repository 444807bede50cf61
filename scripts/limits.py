#!/usr/bin/env python3
"""Rate limits against what they promise: three instances with a real Redis, and one beside nginx and HAProxy.

    scripts/limits.py [--binary PATH] [--short] [PART...]

The parts, all of them where none is named:

    shared        three instances enforce one rate together by a real Redis, which is slow, hung, killed and started again under load (less than a minute)
    beside        Evenkeel, nginx' limit_req and HAProxy's stick tables at the same limit under the same load (about two minutes)
    cost          requests a second and processor time of each with a limit that refuses nothing, against none, in turns under wrk (about two minutes)
    instructions  Evenkeel's instructions of a request with and without a limit, by valgrind's callgrind (about a minute)

An error is of what is let through, against the rate: within 1 % for one instance, within 5 % for three with a store. The exit code is 1 where a target was missed.
"""

import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE / "limits")]
import beside  # noqa: E402
import shared  # noqa: E402
from harness import in_parts, print_table  # noqa: E402

PARTS = ["shared", "beside", "cost", "instructions"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("EVENKEEL", "target/release/evenkeel"))
    options.add_argument("--short", action="store_true", help="half the time or less for everything")
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    options = options.parse_args()
    parts = options.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"unknown: {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    scenes = [("shared", shared.rows(options.binary, options.short))] if "shared" in parts else []
    if set(parts) - {"shared"}:
        scenes.append(("beside", beside.rows(options.binary, options.short, parts)))
    table = print_table(in_parts(scenes))
    return any(not row.holds for row in table)


if __name__ == "__main__":
    sys.exit(main())

"""Plays the scenes, and prints a table of what they found.

    play.py EVENKEEL [--full] [SCENE...]

A scene is a module in scenes/ with `play(context)`, which yields rows. It makes its own lab, and raises lab.Broken where something did not
happen at all.
"""

import importlib
import pkgutil
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import scenes  # noqa: E402


@dataclass
class Context:
    """What a scene is played with."""

    evenkeel: Path
    is_full: bool


@dataclass
class Row:
    """What came of one thing, and whether it is what was promised."""

    what: str
    found: str
    wanted: str
    holds: bool


def main(arguments):
    evenkeel, *rest = arguments
    context = Context(Path(evenkeel).resolve(), "--full" in rest)
    wanted = [word for word in rest if not word.startswith("--")]
    names = sorted(module.name for module in pkgutil.iter_modules(scenes.__path__))
    unknown = [word for word in wanted if word not in names]
    if unknown:
        sys.exit(f"there is no scene {', '.join(unknown)}: there are {', '.join(names)}")
    rows = []
    for name in wanted or names:
        print(f"redundancy: {name}", file=sys.stderr, flush=True)
        try:
            for row in importlib.import_module(f"scenes.{name}").play(context):
                print(f"redundancy:   {row.what}: {row.found}", file=sys.stderr, flush=True)
                rows.append(row)
        except Exception:
            traceback.print_exc()
            rows.append(Row(name, "the scene failed", "-", False))
    print("\n| what | found | wanted | |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.found} | {row.wanted} | {'ok' if row.holds else 'FAILED'} |")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    # a lab is taken down also when somebody says stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # scenes import Row from here under the module's own name
    sys.modules["play"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))

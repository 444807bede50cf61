"""Plays the scenes, and prints one table of what they saw.

    play.py EVENKEEL [--short|--full] [SCENE...]

A scene is a module in scenes/ with `play(context)`, which yields rows, and `NEEDS`: what has to be there (see `MISSING`). It starts what it
plays with, ends it, and raises `Broken` where something did not happen at all. A script of its own joins by a line in `SCRIPTS`.

The exit code is 1 when a row was missed. With --short, which is for machines that do other things meanwhile, a time that was missed is
told and does not count; and what needs network namespaces is left out where there are none.
"""

import importlib
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import scenes  # noqa: E402
from harness import Row, print_table  # noqa: E402


@dataclass
class Script:
    """A script beside this one. Its rows come from `harness.Row.tell`, or are one: its exit code.

    The binary is `EVENKEEL` in its environment, and takes the place of that word in its arguments. Sizes come by the environment, as those
    of scenes do.
    """

    needs: tuple
    arguments: tuple = ()
    short: dict = field(default_factory=dict)
    full: dict = field(default_factory=dict)
    is_in_short: bool = True


SCRIPTS = {
    "discovery": Script(("etcd",), arguments=("EVENKEEL",), is_in_short=False),
    "isolation": Script(("namespaces",), is_in_short=False),
    "words": Script(("etcd",), arguments=("EVENKEEL",), is_in_short=False),
    "zones": Script(("namespaces",), is_in_short=False),
    "paths": Script(("namespaces",), short={"CUT_SECONDS": "12", "RATE": "300", "SESSIONS": "2000"}),
}


@dataclass
class Context:
    """What a scene is played with."""

    evenkeel: Path
    form: str

    def size(self, name, short, usual, full):
        """How much of something: by the form, unless the environment has that name."""
        return int(os.environ.get(name, {"short": short, "usual": usual, "full": full}[self.form]))


def lacks_namespaces():
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "`ip` is not installed (scripts/install-clients.sh)"
    name = f"ek{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip().splitlines()[-1]}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


def lacks_program(name):
    return lambda: None if shutil.which(name) else f"{name} is not installed (scripts/install-clients.sh)"


# what a scene may need, and why it is not there
MISSING = {"namespaces": lacks_namespaces, **{name: lacks_program(name) for name in ("keepalived", "etcd", "redis-server", "moto_server", "litestream")}}


def play_script(name, context):
    script = SCRIPTS[name]
    sizes = {"short": script.short, "full": script.full}.get(context.form, {})
    arguments = [str(context.evenkeel) if word == "EVENKEEL" else word for word in script.arguments]
    with tempfile.NamedTemporaryFile("r") as rows:
        environment = {**sizes, **os.environ, "EVENKEEL": str(context.evenkeel), "ROWS": rows.name}
        # its own words go where this one's do, so that the table alone is the output
        code = subprocess.run([sys.executable, HERE / f"{name}.py", *arguments], env=environment, stdout=sys.stderr, check=False).returncode
        seen = [Row(**json.loads(line)) for line in rows]
    yield from seen
    if not seen or (code != 0 and all(row.holds for row in seen)):
        yield Row(name, "exit code 0", str(code), code == 0)


def play_one(name, context):
    """The rows of a scene, which may be one that says why it could not be played."""
    module = None if name in SCRIPTS else importlib.import_module(f"scenes.{name}")
    needs = SCRIPTS[name].needs if module is None else module.NEEDS
    for need in needs:
        if why := MISSING[need]():
            yield Row(f"{name}: not played, {why}", "-", "-", context.form == "short" and need == "namespaces")
            return
    try:
        yield from play_script(name, context) if module is None else module.play(context)
    except Exception as error:
        traceback.print_exc()
        yield Row(f"{name}: the scene broke", "-", str(error).replace("\n", " ")[:300], False)


def is_in_short(name):
    return SCRIPTS[name].is_in_short if name in SCRIPTS else getattr(importlib.import_module(f"scenes.{name}"), "IS_IN_SHORT", True)


def main(arguments):
    evenkeel, *rest = arguments
    forms = [word for word in rest if word.startswith("--")]
    if forms not in ([], ["--short"], ["--full"]):
        sys.exit("redundancy.sh [--short|--full] [SCENE...]")
    context = Context(Path(evenkeel).resolve(), forms[0][2:] if forms else "usual")
    wanted = [word for word in rest if not word.startswith("--")]
    names = sorted([*(module.name for module in pkgutil.iter_modules(scenes.__path__)), *SCRIPTS])
    if unknown := [word for word in wanted if word not in names]:
        sys.exit(f"there is no scene {', '.join(unknown)}: there are {', '.join(names)}")
    rows = []
    for name in wanted or [name for name in names if context.form != "short" or is_in_short(name)]:
        print(f"redundancy: {name}", file=sys.stderr, flush=True)
        for row in play_one(name, context):
            print(f"redundancy:   {row.what}: {row.seen}{'' if row.holds else ' MISSED'}", file=sys.stderr, flush=True)
            rows.append(row)
    print_table(rows)
    return 0 if all(row.holds or (row.is_timing and context.form == "short") for row in rows) else 1


if __name__ == "__main__":
    # a lab is taken down also when somebody says stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))

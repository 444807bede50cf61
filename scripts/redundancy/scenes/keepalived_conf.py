"""keepalived takes what `evenkeel keepalived` prints, deploy/keepalived has the same, and nothing is printed that can't be true of two machines."""

import subprocess
from pathlib import Path

from harness import Row
from lab import Lab

NEEDS = ("namespaces", "keepalived")
DEPLOY = Path(__file__).resolve().parents[3] / "deploy/keepalived"
CONFIG = """\
[[listener]]
name = "web"
bind = "0.0.0.0:80"
service = "app"

[[service.app.backend]]
address = "10.77.0.21:9001"
"""

GOOD = [
    "--vip 10.77.0.9/24 --peer 10.77.0.3",
    "--vip 10.77.0.9/24 --vip fd77::9/64 --peer 10.77.0.3 --peer 10.77.0.4 --nopreempt",
    "--vip fd77::9/64 --peer fd77::3 --priority 154 --router-id 255",
    "--vip 10.99.0.9/24 --peer 10.99.0.3 --interface eth0 --priority 1",
]

BAD = [
    "--vip 10.77.0.9 --peer 10.77.0.3",
    "--vip 10.77.0.9/24 --peer 10.77.0.2",
    "--vip 10.77.0.9/24 --peer 10.99.0.3",
    "--vip fd77::9/64 --peer 10.77.0.3",
    "--vip 10.77.0.9/24 --peer 10.77.0.3 --priority 155",
]


def play(context):
    lab = Lab(context.evenkeel)
    try:
        lab.bridge("left")
        machine = lab.machine("a")
        machine.plug("left", "eth0", "10.77.0.2/24", "fd77::2/64")
        config = machine.write("proxy.toml", CONFIG)

        def printed(options):
            command = [lab.evenkeel, "keepalived", *options.split(), "-c", config, "--track-file", lab.folder / "weight"]
            inside = ["ip", "netns", "exec", machine.namespace, *map(str, command)]
            return subprocess.run(inside, capture_output=True, text=True, check=False)

        taken, complaints = 0, []
        for options in GOOD:
            conf = machine.write("keepalived.conf", printed(options).stdout)
            inside = ["ip", "netns", "exec", machine.namespace, "keepalived", "-t", "-f", str(conf)]
            told = subprocess.run(inside, capture_output=True, text=True, check=False)
            said = told.stdout + told.stderr
            taken += told.returncode == 0 and not said.strip()
            complaints.append(said.strip())
        yield Row(f"keepalived -t takes what is printed, {len(GOOD)} ways", str(len(GOOD)), f"{taken} {' '.join(complaints).strip()}", taken == len(GOOD))
        same = 0
        for name, own, peer in (("a", "10.0.0.2", "10.0.0.3"), ("b", "10.0.0.3", "10.0.0.2")):
            other = lab.machine(name + "-deploy")
            other.plug("left", "eth0", f"{own}/24")
            command = [lab.evenkeel, "keepalived", "--vip", "10.0.0.9/24", "--peer", peer, "-c", config]
            text = other.run(*command).replace(str(lab.evenkeel), "/usr/local/bin/evenkeel").replace(str(config), "/etc/evenkeel/proxy.toml")
            same += text == (DEPLOY / f"{name}.conf").read_text()
        yield Row("the files of deploy/keepalived are what is printed", "2", str(same), same == 2)
        refused = sum(printed(options).returncode != 0 for options in BAD)
        yield Row(f"what can't be true of two machines is refused, {len(BAD)} ways", str(len(BAD)), str(refused), refused == len(BAD))
    finally:
        lab.close()

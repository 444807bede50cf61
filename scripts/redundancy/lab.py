"""Machines made of network namespaces, and what runs on them.

A `Lab` is one network: machines are joined by bridges that are in a namespace too, so that nothing of the host's is touched. All names begin
with the lab's own, and `close` ends every process that was started, by its process id, and takes every namespace away.
"""

import os
import shutil
import subprocess
from pathlib import Path

from harness import Broken, Processes


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Broken(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


class Lab:
    def __init__(self, evenkeel):
        self.name = f"ek{os.getpid()}"
        # root's own folder: keepalived runs no script that others could change
        self.folder = Path(f"/run/evenkeel-redundancy-{os.getpid()}")
        self.folder.mkdir(mode=0o755)
        self.evenkeel = self.folder / "evenkeel"
        self.namespaces, self.processes = [], Processes(self.folder)
        self.net = f"{self.name}-net"
        try:
            shutil.copy(evenkeel, self.evenkeel)
            self._add_namespace(self.net)
        except BaseException:
            self.close()
            raise

    def _add_namespace(self, name):
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def bridge(self, name):
        """A switch."""
        run("ip", "-n", self.net, "link", "add", name, "type", "bridge", "forward_delay", "0")
        run("ip", "-n", self.net, "link", "set", name, "up")

    def join(self, one, other):
        """A cable between two switches; gives back its name, for `cut` and `heal`."""
        cable = f"{one}-{other}"
        run("ip", "-n", self.net, "link", "add", cable, "type", "veth", "peer", "name", f"{other}-{one}")
        for end, bridge in ((cable, one), (f"{other}-{one}", other)):
            run("ip", "-n", self.net, "link", "set", end, "master", bridge, "up")
        return cable

    def cut(self, cable):
        run("ip", "-n", self.net, "link", "set", cable, "down")

    def heal(self, cable):
        run("ip", "-n", self.net, "link", "set", cable, "up")

    def machine(self, name):
        return Machine(self, name)

    def start(self, log, command, namespace=None, **more):
        """Starts a process, whose output goes to a file of this name."""
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        # ip replaces itself by the command, so the process id is the command's
        return self.processes.start(log, [*inside, *command], **more)

    def log(self, name):
        return self.processes.log(name)

    def close(self):
        self.processes.close()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Machine:
    """A namespace with interfaces, and what runs there."""

    def __init__(self, lab, name):
        self.lab, self.name, self.namespace = lab, name, f"{lab.name}-{name}"
        lab._add_namespace(self.namespace)

    def plug(self, bridge, interface, *addresses):
        """A network card at a switch; gives back the name of its end there."""
        end = f"{self.name}-{interface}"
        run("ip", "-n", self.lab.net, "link", "add", end, "type", "veth", "peer", "name", interface, "netns", self.namespace)
        run("ip", "-n", self.lab.net, "link", "set", end, "master", bridge, "up")
        for address in addresses:
            run("ip", "-n", self.namespace, "addr", "add", address, "dev", interface)
        run("ip", "-n", self.namespace, "link", "set", interface, "up")
        return end

    def start(self, log, command, **more):
        return self.lab.start(log, command, namespace=self.namespace, **more)

    def run(self, *command):
        return run("ip", "netns", "exec", self.namespace, *map(str, command))

    def write(self, name, text):
        path = self.lab.folder / f"{self.name}-{name}"
        path.write_text(text)
        return path

    def has(self, address):
        return f"inet {address}/" in run("ip", "-n", self.namespace, "-4", "addr", "show")

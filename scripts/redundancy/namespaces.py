"""Network namespaces of a script's own, and the processes in them. All of it goes when the script ends, if `clean` is registered for that."""

import subprocess

spaces, processes = [], []


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


def ip(*words):
    run("ip", *words)


def space(name):
    ip("netns", "add", name)
    spaces.append(name)
    ip("-n", name, "link", "set", "lo", "up")


def inside(where, *command, **more):
    process = subprocess.Popen(["ip", "netns", "exec", where, *command], **more)
    processes.append(process)
    return process


def clean():
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
    processes.clear()
    for name in spaces:
        run("ip", "netns", "del", name, check=False)
    spaces.clear()

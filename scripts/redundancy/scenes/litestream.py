"""Litestream in the place of `[state] backup`: a machine is lost, and what Litestream restores on another one is put in place.

Litestream streams the ledger to the bucket while Evenkeel runs under load, with an outage under way; both are killed, in every second round Evenkeel is killed and
started again before. What Litestream restores has to pass `state check`, to be equal to what was lost up to its last entry, and to be taken by
`evenkeel state restore FILE` and by a process that goes on with it.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import Backend, Broken, Processes, Row, get_json, kill, timing, wait_until
from scenes.bucket import Bucket, Load, Proxy, known, report, seconds, until

NEEDS = ("moto_server", "litestream")
IS_IN_SHORT = False
# Litestream sends once a second
AGE = 5.0
CONFIG = """
dbs:
  - path: {ledger}
    replica:
      type: s3
      bucket: copies
      path: litestream/{name}
      region: us-east-1
      endpoint: http://127.0.0.1:{port}
      force-path-style: true
"""


def run(environment, *command):
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"{command[0]} {command[1]}: {done.stdout}{done.stderr}")


def lose(number, evenkeel, processes, bucket, folder):
    """Gives back whether what came back is equal, and how old it was."""
    folder.mkdir()
    backend, environment = Backend(), bucket.environment()
    proxy = Proxy(processes, evenkeel, folder, f"lb-{number}", backend, environment, backup=False)
    load = Load(proxy.port)
    ledger = proxy.state / "ledger.sqlite"
    wait_until("a ledger", ledger.exists)
    config = folder / "litestream.yml"
    config.write_text(CONFIG.format(ledger=ledger, name=proxy.name, port=bucket.port))
    stream = processes.start(f"litestream-{number}.log", ["litestream", "replicate", "-config", config], env=environment)
    time.sleep(8)
    if number % 2:
        kill(proxy.process)
        proxy.process = processes.start(f"{proxy.name}.log", [evenkeel, "run", "-c", folder / "proxy.toml"], env=environment)
        wait_until("the proxy again", lambda: get_json(proxy.admin, "/api/v1/status"))
        time.sleep(3)
    backend.is_down = True
    time.sleep(4)
    is_written = get_json(proxy.admin, "/api/v1/sla")["api"] is not None and not any("ledger_failed" in kind for kind in proxy.kinds())
    lost_at = time.time()
    kill(proxy.process)
    kill(stream)
    load.ends = True
    lost, other, restored = folder / "lost", folder / "other", folder / "restored.sqlite"
    shutil.move(proxy.state, lost)
    run(environment, "litestream", "restore", "-config", config, "-o", restored, ledger)
    run(environment, evenkeel, "state", "check", restored)
    run(environment, evenkeel, "state", "restore", restored, "--state", other)
    point = until(other / "ledger.sqlite")
    before, after = report(evenkeel, lost), report(evenkeel, other)
    is_equal = seconds(other / "ledger.sqlite", point) == seconds(lost / "ledger.sqlite", point) and known(after) <= known(before) + 0.001
    # a process goes on with it
    shutil.move(other, proxy.state)
    proxy.process = processes.start(f"{proxy.name}.log", [evenkeel, "run", "-c", folder / "proxy.toml"], env=environment)
    wait_until("the proxy on what was restored", lambda: get_json(proxy.admin, "/api/v1/sla")["api"])
    time.sleep(2)
    kill(proxy.process)
    run(environment, evenkeel, "state", "check", "--state", proxy.state)
    return is_equal and is_written, lost_at - point / 1000


def play(context):
    count = context.size("ROUNDS", 2, 2, 10)
    with tempfile.TemporaryDirectory(prefix="evenkeel-litestream-") as folder, Processes(folder) as processes:
        bucket = Bucket(processes)
        rounds = [lose(number, context.evenkeel, processes, bucket, Path(folder) / str(number)) for number in range(count)]
    equal, worst = sum(one[0] for one in rounds), max(one[1] for one in rounds)
    yield Row(f"machine lost, {count} times; restored by Litestream: sound, and equal up to its last entry", str(count), str(equal), equal == count)
    yield timing("last entry before the loss, worst", f"<= {AGE:g} s", f"{worst:.1f} s", worst <= AGE)

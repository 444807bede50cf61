"""etcd is gone for long under traffic: clients notice nothing, nothing is repaired, and the log says it once.

Requests to an instance without `[cluster]` tell what latencies are on this machine at the same time.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from cluster import TTL, Cluster, leader_among, superseded
from harness import Processes, Row, percentile, timing

NEEDS = ("etcd",)
IS_IN_SHORT = False
# requests a second, to each instance
RATE = 100
# until the lease has ended, by which the leader stops
MARGIN = 0.5


async def ask(port, seconds, times):
    """Requests at their times over one connection; what is not answered well is None."""
    begin, number, reader, writer = time.monotonic(), 0, None, None
    while (now := time.monotonic() - begin) < seconds:
        if now < number / RATE:
            await asyncio.sleep(number / RATE - now)
        number += 1
        began = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            times.append(time.monotonic() - began if head.startswith(b"HTTP/1.1 200") else None)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, IndexError):
            times.append(None)
            writer = None
    if writer is not None:
        writer.close()


def traffic(instances, seconds):
    """What came of the requests to each."""
    times = {instance.name: [] for instance in instances}

    async def all_of_them():
        await asyncio.gather(*(ask(instance.port, seconds, times[instance.name]) for instance in instances))

    asyncio.run(all_of_them())
    return times


def processor_time(process):
    """Seconds that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def play(context):
    seconds = context.size("GONE_SECONDS", 30, 60, 3600)
    with tempfile.TemporaryDirectory(prefix="evenkeel-etcd-gone-") as folder, Processes(folder) as processes:
        cluster = Cluster(processes, context.evenkeel, with_alone=True)
        # connections are open, code is in memory
        traffic([*cluster.instances, cluster.alone], 3)
        logs = {instance.name: len(processes.log(f"{instance.name}.log")) for instance in cluster.instances}
        everybody = [*cluster.instances, cluster.alone]
        cluster.etcd.kill()
        at = time.time()
        used = [processor_time(instance.process) for instance in everybody]
        times = traffic([*cluster.instances, cluster.alone], seconds)
        over = time.time()
        used = [(processor_time(instance.process) - before) / seconds for instance, before in zip(everybody, used)]
        said = {name: processes.log(f"{name}.log")[length:].splitlines() for name, length in logs.items()}
        cluster.etcd.start()
        leader, took = leader_among(cluster.instances, TTL + 1 + 3)
        time.sleep(2)
        processes.close()
        tokens = cluster.tokens()
    *ours, control = used
    yield timing(
        "processor time, of one core, of the busiest instance; and of an instance without a cluster",
        "5 % more at most", f"{max(ours) * 100:.1f} %; {control * 100:.1f} %", max(ours) - control <= 0.05,
    )
    late = [token for token in tokens if at + TTL + MARGIN < token[2] <= over]
    again = [token for token in tokens if token[2] > over]
    about = {name: [line for line in lines if "etcd" in line] for name, lines in said.items()}
    alone = [one for one in times.pop("alone") if one is not None]
    asked = [one for mine in times.values() for one in mine]
    answered = [one for one in asked if one is not None]
    lost = len(asked) - len(answered)
    yield Row(f"etcd gone for {seconds} s, {RATE} requests/s to each of 3 instances: requests lost", "0", f"{lost} of {len(asked)}", lost == 0)
    for name, share in (("median", 0.5), ("p99", 0.99)):
        ours, control = percentile(answered, share) * 1e3, percentile(alone, share) * 1e3
        yield timing(f"latency, {name}; and of an instance without a cluster", "1 ms more at most", f"{ours:.2f} ms; {control:.2f} ms", ours - control <= 1)
    yield Row(f"acts of recovery later than the lease ({TTL:g} s)", "0", str(len(late)), not late)
    yield Row(
        "lines in the log about etcd, of each instance",
        "1",
        ", ".join(f"{len(lines)}" for lines in about.values()),
        all(len(lines) == 1 for lines in about.values()),
    )
    yield Row("acts of one who had been superseded", "0", str(len(superseded(tokens))), not superseded(tokens))
    yield timing("etcd is back: somebody leads, and acts, after", f"<= {TTL + 1 + 3:g} s", f"{took:.1f} s", leader is not None and bool(again))

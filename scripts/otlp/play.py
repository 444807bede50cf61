"""Plays one situation with a collector: play.py EVENKEEL FOLDER grpc|http adds_up|outage"""

import collections
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

evenkeel, folder, protocol, what = sys.argv[1:]
here = os.path.dirname(__file__)
name = os.path.join(folder, f"{protocol}-{what}")
sent = collections.defaultdict(list)  # what the backend got as traceparent, by path
started = []


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def until(what, condition, limit=30):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sent[self.path].append(self.headers["traceparent"])
        if self.path.startswith("/slow"):
            time.sleep(0.05)
        status = 503 if self.path.startswith("/again") and len(sent[self.path]) == 1 else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Backends(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def collector(port):
    process = subprocess.Popen([sys.executable, os.path.join(here, "receiver.py"), protocol, str(port), name + ".spans"], stdout=subprocess.PIPE)
    started.append(process)
    assert process.stdout.readline() == b"ready\n"
    return process


def proxy(port, backends, keys):
    addresses = "".join(f'[[service.api.backend]]\naddress = "127.0.0.1:{backend}"\nmax_connections = 4\n' for backend in backends)
    ports = free_port(), free_port()
    with open(name + ".toml", "w") as file:
        file.write(f"""
[server]
workers = 2
state_dir = "{name}.state"
[admin]
bind = "127.0.0.1:{ports[1]}"
[[listener]]
name = "web"
bind = "127.0.0.1:{ports[0]}"
service = "api"
[service.api]
retry = {{ on = ["connect", "503"], budget = 1.0 }}
timeout = {{ queue = "30s" }}
{addresses}
[otlp]
endpoint = "http://127.0.0.1:{port}"
protocol = "{protocol}"
headers = {{ authorization = "Bearer abc" }}
sample = 1.0
{keys}
""")
    log = open(name + ".log", "w")
    process = subprocess.Popen([evenkeel, "run", "-c", name + ".toml"], stderr=log)
    started.append(process)
    until("the proxy is ready", lambda: ask(ports[1], "/readyz") == 200)
    return process, ports


def ask(port, path, fields={}):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return None


def metric(port, series):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


def spans():
    with open(name + ".spans") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def memory(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


def clients(count, port, paths):
    """So many clients, each on a connection of its own, until the paths are at their end. What was not answered 200 is lost."""
    lost, lock = [], threading.Lock()

    def one():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        while True:
            with lock:
                path = next(paths, None)
            if path is None:
                return
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    lost.append((path, answer.status))
            except (OSError, http.client.HTTPException) as error:
                lost.append((path, repr(error)))
                connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, lost


def adds_up():
    """Slow, retried and queued exchanges: their spans fit each other, and what the backends got."""
    backends = [Backends(("127.0.0.1", 0), Backend) for _ in range(2)]
    for backend in backends:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    collector(port)
    refused = free_port()
    process, (listener, admin) = proxy(port, [backend.server_port for backend in backends] + [refused], "")
    paths = [f"/{random.choice(['fast', 'slow', 'again'])}/{number}" for number in range(2000)]
    threads, lost = clients(24, listener, iter(paths))
    for thread in threads:
        thread.join()
    assert not lost, f"{len(lost)} lost: {lost[:3]}"
    until("all requests are told", lambda: sum(span["kind"] == 2 for span in spans()) == len(paths))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    kinds, attempts = check(paths)
    print(f"{len(paths)} requests, {attempts} attempts, {kinds[1]} waits: all add up, and fit what backends got")


def check(paths):
    """Whether all spans add up; how many there are of each kind, and how many attempts."""
    traces = collections.defaultdict(list)
    for span in spans():
        traces[span["trace"]].append(span)
    assert len(traces) == len(paths)
    kinds, attempts = collections.Counter(), 0
    for trace in traces.values():
        request = next(span for span in trace if span["kind"] == 2)
        path = request["attributes"]["url.path"]
        children = [span for span in trace if span is not request]
        kinds.update(span["kind"] for span in trace)
        assert all(span["parent"] == request["span"] for span in children), trace
        assert all(request["start"] <= span["start"] <= span["end"] <= request["end"] for span in children), trace
        assert sum(span["end"] - span["start"] for span in children) <= request["end"] - request["start"], trace
        tried = [span for span in children if span["kind"] == 3]
        attempts += len(tried)
        assert request["attributes"]["evenkeel.attempts"] == len(tried)
        assert [span["attributes"].get("http.request.resend_count", 0) for span in tried] == list(range(len(tried)))
        answered = [span for span in tried if "http.response.status_code" in span["attributes"]]
        expected = [f"00-{span['trace']}-{span['span']}-01" for span in answered]
        assert sent[path] == expected, (path, sent[path], expected)
        assert not request["error"] and request["attributes"]["http.response.status_code"] == 200
    assert kinds[1] > 0 and attempts > len(paths), (kinds, attempts)
    return kinds, attempts


def outage():
    """The collector is killed under load and comes back: no request is lost, what is dropped is counted, and memory has a bound."""
    backend = Backends(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    before = collector(port)
    process, (listener, admin) = proxy(port, [backend.server_port], 'queue = "256KiB"')
    total, stop = [0], threading.Event()

    def paths():
        while not stop.is_set():
            total[0] += 1
            yield f"/fast/{total[0]}"

    threads, lost = clients(8, listener, paths())
    dropped = lambda: metric(admin, "evenkeel_otlp_dropped_total{")
    taken = lambda: metric(admin, "evenkeel_otlp_sent_total{")
    until("spans are taken", lambda: taken() > 1000)
    before.kill()
    before.wait()
    until("the queue is full", lambda: dropped() > 1000)
    full = memory(process)
    then = dropped()
    until("more is dropped", lambda: dropped() > then + 3000, 60)
    grown = memory(process) - full
    collector(port)
    then = taken()
    until("spans are taken again", lambda: taken() > then + 1000, 60)
    stop.set()
    for thread in threads:
        thread.join()
    assert not lost, f"{len(lost)} lost: {lost[:3]}"
    # each request has a span, and one for its attempt, and one where it has waited
    until("all are accounted for", lambda: taken() + dropped() >= 2 * total[0])
    with open(name + ".log") as file:
        log = file.read()
    assert log.count("the collector takes no traces") == 1, log
    assert log.count("the collector takes traces again") == 1, log
    assert grown < 4 << 20, f"memory has grown by {grown} bytes while the queue was full"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    print(f"{total[0]} requests, 0 lost; {taken_at_end()} spans taken, {int(then)} before the collector was back; memory grew by {grown >> 10} KiB")


def taken_at_end():
    return len(spans())


try:
    {"adds_up": adds_up, "outage": outage}[what]()
finally:
    for process in started:
        process.kill()

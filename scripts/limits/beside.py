"""nginx' `limit_req`, HAProxy's stick tables and Evenkeel's `rate_limit` at the same limit under the same load, and what each costs where it refuses nothing."""

import pathlib
import shutil
import statistics
import tempfile

from harness import Broken, Processes, Row, free_port, get, in_turns, per_request, processor_time, stop, told, wait_until, wrk
from steady import Client, play

RATE, BURST = 300, 30
# a limit that nothing reaches
HIGH = 1_000_000

EVENKEEL = """
[server]
workers = 1
state_dir = "{folder}/state-{port}"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "app"
{limit}
[service.app]
backend = [{{ address = "127.0.0.1:{backend}" }}]
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/{port}.pid;
error_log {folder}/{port}.error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/{port}.body;
    proxy_temp_path {folder}/{port}.proxy;
    fastcgi_temp_path {folder}/{port}.fastcgi;
    uwsgi_temp_path {folder}/{port}.uwsgi;
    scgi_temp_path {folder}/{port}.scgi;
    keepalive_requests 100000000;
    limit_req_status 429;
    limit_req_log_level info;
    {zone}
    upstream app {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ {limit} {answer} }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend web
    bind 127.0.0.1:{port}
    {limit}
    default_backend app
backend app
    http-reuse always
    server app 127.0.0.1:{backend}
"""

PASS = 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";'


def evenkeel(rate, burst):
    return {"limit": rate and f'[[listener.rate_limit]]\nrate = "{rate}/s"\nburst = {burst}'}


def nginx(rate, burst):
    if not rate:
        return {"zone": "", "limit": "", "answer": PASS}
    return {
        "zone": f"limit_req_zone $binary_remote_addr zone=clients:10m rate={rate}r/s;",
        "limit": f"limit_req zone=clients burst={burst} nodelay;",
        "answer": PASS,
    }


def backend(rate, burst):
    return {"zone": "", "limit": "", "answer": 'return 200 "hello from a backend";'}


def haproxy(rate, burst):
    """Requests that are refused don't count, as with the others; it has no burst."""
    lines = [
        "stick-table type ip size 100k expire 10s store gpc0,gpc0_rate(1s)",
        "http-request track-sc0 src",
        f"http-request deny deny_status 429 if {{ sc_gpc0_rate(0) ge {rate} }}",
        "http-request sc-inc-gpc0(0)",
    ]
    return {"limit": rate and "\n    ".join(lines)}


def haproxy_counts_all(rate, burst):
    """As in most of its examples: requests that are refused count, too."""
    lines = [
        "stick-table type ip size 100k expire 10s store http_req_rate(1s)",
        "http-request track-sc0 src",
        f"http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {rate} }}",
    ]
    return {"limit": rate and "\n    ".join(lines)}


# name: (program, template, its limit, arguments)
KINDS = {
    "Evenkeel": ("evenkeel", EVENKEEL, evenkeel, ["run", "-c"]),
    "nginx limit_req": ("nginx", NGINX, nginx, ["-c"]),
    "HAProxy, gpc0_rate": ("haproxy", HAPROXY, haproxy, ["-db", "-f"]),
    "HAProxy, http_req_rate": ("haproxy", HAPROXY, haproxy_counts_all, ["-db", "-f"]),
}
BACKEND = ("nginx", NGINX, backend, ["-c"])


class Lab:
    """A backend, and proxies before it."""

    def __init__(self, processes, binary):
        self.processes, self.programs = processes, {"evenkeel": binary}
        for name in ("nginx", "haproxy"):
            self.programs[name] = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
        if not self.programs["nginx"]:
            raise Broken("nginx is not installed, which is the backend, too")
        self.backend = free_port()  # nobody's, and not used before there is one
        self.backend, _ = self.start(BACKEND, "")

    def kinds(self):
        return [kind for kind, (program, *_) in KINDS.items() if self.programs[program]]

    def proxy(self, kind, *more, **others):
        """A proxy with this limit (or none); its port and its process."""
        return self.start(KINDS[kind], *more, **others)

    def start(self, kind, rate, burst=BURST, before=()):
        """`before` comes before its command."""
        program, template, limit, arguments = kind
        folder, port = self.processes.folder, free_port()
        config = pathlib.Path(folder, f"{port}.conf" if program != "evenkeel" else f"{port}.toml")
        config.write_text(template.format(folder=folder, port=port, admin=free_port(), backend=self.backend, **limit(rate, burst)))
        process = self.processes.start(f"{port}.log", [*before, self.programs[program], *arguments, config], start_new_session=False)

        def answers():
            if process.poll() is not None:
                raise SystemExit(f"{program} has ended:\n{self.processes.log(f'{port}.log')[-2000:]}")
            return get(port)

        wait_until(f"{program} answers", answers, 60)
        return port, process


def rates(lab, short):
    """What is let through of three times the limit, and whether anything is refused of 0.95 times it."""
    seconds = 3 if short else 8
    for kind in lab.kinds():
        port, process = lab.proxy(kind, RATE)
        clients = [Client(port) for _ in range(3)]
        for client in clients:
            client.start()
        allowed, _ = play(clients, [RATE] * 3, seconds)
        error = sum(allowed) / RATE - 1
        ours = kind == "Evenkeel"
        row = ("three times the limit is offered", f"{sum(allowed):.1f} of {RATE}/s, error {error:+.2%}")
        yield Row(f"{kind}: {row[0]}", "error <= 1 %", row[1], abs(error) <= 0.01) if ours else told(f"{kind}: {row[0]}", row[1])
        # what was refused before may still count
        play(clients, [0] * 3, 0.5)
        allowed, sent = play(clients, [0.95 * RATE / 3] * 3, seconds)
        refused = max(0.0, 1 - sum(allowed) / sum(sent))
        row = ("0.95 times the limit is offered", f"{refused:.1%} refused")
        yield Row(f"{kind}: {row[0]}", "0 refused", row[1], refused < 0.001) if ours else told(f"{kind}: {row[0]}", row[1])
        stop(process)


def cost(lab, short):
    """Requests a second and processor time with a limit that refuses nothing, against the same proxy without it."""
    rounds = 3 if short else 15
    for kind in [kind for kind in lab.kinds() if kind != "HAProxy, http_req_rate"]:
        proxies = {"off": lab.proxy(kind, ""), "on": lab.proxy(kind, HIGH, HIGH)}

        def measure(name):
            port, process = proxies[name]
            before = processor_time(process)
            answered = wrk(port, 1, path="/")
            return answered, (processor_time(process) - before) / answered * 1e6

        figures, ratios = in_turns(measure, "off", ["on"], rounds)
        (off, off_time), (on, on_time) = ([statistics.median(each) for each in zip(*figures[name])] for name in ("off", "on"))
        speed, time = (statistics.quantiles(each) for each in zip(*ratios["on"]))
        seen = f"{speed[1] - 1:+.1%} ({speed[0] - 1:+.1%} to {speed[2] - 1:+.1%}); {off:.0f} and {on:.0f}"
        yield told(f"{kind}: requests a second with a limit, against none", seen)
        seen = f"{time[1] - 1:+.1%} ({time[0] - 1:+.1%} to {time[2] - 1:+.1%}); {off_time:.2f} and {on_time:.2f} us"
        yield told(f"{kind}: processor time of a request with a limit, against none", seen)
        for _, process in proxies.values():
            stop(process)


def instructions(lab):
    """Evenkeel's instructions for a request with and without a limit, by callgrind."""
    if not shutil.which("valgrind") or not shutil.which("h2load"):
        yield told("instructions of a request", "valgrind or h2load is not installed")
        return
    off, on = (per_request(lab.processes.folder, lambda before, rate=rate: lab.proxy("Evenkeel", rate, HIGH, before=before)) for rate in ("", HIGH))
    yield Row("Evenkeel: instructions of a request with a limit, against none", "<= +3 %", f"{on / off - 1:+.2%} ({off:.0f} and {on:.0f})", on / off <= 1.03)


def rows(binary, short, parts):
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes:
        lab = Lab(processes, binary)
        if "beside" in parts:
            yield from rates(lab, short)
        if "cost" in parts:
            yield from cost(lab, short)
        if "instructions" in parts:
            yield from instructions(lab)

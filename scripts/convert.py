#!/usr/bin/env python3
"""Whether a converted configuration answers as the original does.

    scripts/convert.py [--evenkeel FILE] [WORD...]

Each example in tests/convert says which requests are to be sent (`# ask:`). The original runs behind the real proxy (nginx, HAProxy), the converted file
behind Evenkeel, both before the same backends, which tell what they were asked. Statuses, the fields that matter, bodies and backends have to be
the same. WORD chooses examples by their names. What can't be compared (a program that is not installed, a file that only says what can't be done) is told.
"""

import argparse
import base64
import concurrent.futures
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from harness import Broken, Processes, Row, free_port, print_table, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "tests" / "convert"

# how long an answer may take, in seconds; nothing that works waits for it
PATIENCE = 20.0

# fields of answers that have to be the same; others are each proxy's own
FIELDS = ["location", "content-type", "www-authenticate", "x-frame-options", "x-served-for", "x-kind", "x-backend", "cache-control",
          "strict-transport-security", "x-powered-by"]
# fields of requests that a backend has to get the same of
ASKED = ["host", "x-real-ip", "x-user", "x-api", "x-internal", "x-url", "x-client", "x-client-ip", "x-serial", "x-proto", "x-forwarded-proto",
         "accept-encoding", "x-env", "x-key"]


# ---------------------------------------------------------------- backends that tell what they were asked


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.body()
        if self.headers.get("upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", self.headers["upgrade"])
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        if self.path.startswith("/check"):
            good = self.headers.get("x-allow") == "yes" or "yes" in (self.headers.get("cookie") or "")
            self.send_response(200 if good else 401)
            self.send_header("X-User", "ann")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        seen = {"backend": self.server.number, "method": self.command, "target": self.path, "body": len(body)}
        seen["fields"] = {name: self.headers.get(name) for name in ASKED if self.headers.get(name) is not None}
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Powered-By", "echo")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_TRACE = do_PATCH = answer

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


def backends(folder):
    """Backends 9001 to 9008 of the examples, by their real ports; the eighth speaks TLS, and nobody listens at the ninth."""
    ports = {}
    for number in range(1, 9):
        server = Quiet(("127.0.0.1", 0), Echo)
        server.number = number
        if number == 8:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "certs/site.crt", folder / "certs/site.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports[9000 + number] = server.server_address[1]
    ports[9009] = free_port()
    return ports


# ---------------------------------------------------------------- examples


def certificates(folder):
    """An authority, a site and a client, as the examples name them."""
    (folder / "certs").mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder / "certs", check=True, capture_output=True, timeout=20)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "90", "-subj", "/CN=authority")
    for name in ("site", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}.example")
        (folder / "certs/names").write_text(f"subjectAltName=DNS:{name}.example")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out", f"{name}.crt", "-days", "90", "-extfile", "names")
        both = (folder / f"certs/{name}.crt").read_text() + (folder / f"certs/{name}.key").read_text()
        (folder / f"certs/{name}.pem").write_text(both)
    # a list of revoked certificates that is empty
    (folder / "certs/index").write_text("")
    (folder / "certs/openssl.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=90\n")
    openssl("ca", "-config", "openssl.cnf", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.crt", "-out", "crl.pem")


class Example:
    """A file of tests/convert with what it asks for."""

    def __init__(self, path):
        self.path, self.text = path, path.read_text()
        self.name, self.kind = path.stem, path.parent.name
        self.asks = re.findall(r"^# ask: (.+)$", self.text, re.M)
        said = "\n".join(line for line in self.text.splitlines() if not line.startswith("# page:"))
        self.listening = sorted(set(re.findall(r"\b(8[0-9]{3})\b", said)))

    def written(self, text, ports, backends):
        """The text with real ports in the place of those that it names."""
        known = {**{str(port): str(real) for port, real in backends.items()}, **{str(port): str(real) for port, real in ports.items()}}
        return re.sub(r"\b[89][0-9]{3}\b", lambda found: known.get(found[0], found[0]), text)


def exchange(port, ask, jar):
    """What an answer to one request says, as far as it is compared."""
    words = ask.split()
    if words[0] == "TCP":
        return session(port)
    method, target = words[0], words[2]
    options = dict(word.split("=", 1) if "=" in word else (word, "") for word in words[3:])
    context = None
    if "tls" in options:
        context = ssl._create_unverified_context()
        if options["tls"] == "client":
            context.load_cert_chain("certs/client.crt", "certs/client.key")
    fields = {"Host": options["host"], **{name: value for name, value in options.items() if name.startswith("X-")}}
    if user := options.get("user"):
        fields["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    if "upgrade" in options:
        fields |= {"Upgrade": options["upgrade"], "Connection": "Upgrade", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version": "13"}
    if cookie := options.get("cookie", jar.get("cookie")):
        fields["Cookie"] = cookie
    body = b"x" * int(options.get("body", 0)) or None
    try:
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if context:
            raw = context.wrap_socket(raw, server_hostname=options["host"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.sock = raw
        connection.request(method, target, body=body, headers=fields)
        answer = connection.getresponse()
        text = b"" if answer.status == 101 else answer.read()
    except TimeoutError as error:
        raise Broken(f"{ask}: no answer within {PATIENCE} s") from error
    except (OSError, http.client.HTTPException) as error:
        # an alert of TLS, a reset, or an end without an answer: nobody has been served
        return {"status": "refused", "why": type(error).__name__}
    finally:
        try:
            raw.close()
        except (OSError, UnboundLocalError):
            pass
    if "jar" in options and answer.headers.get("set-cookie"):
        jar["cookie"] = answer.headers["set-cookie"].split(";")[0]
    seen = {"status": answer.status, **{name: answer.headers[name] for name in FIELDS if answer.headers.get(name) is not None}}
    try:
        seen["backend"] = json.loads(text)
    except ValueError:
        if answer.status < 300 and method != "HEAD" and answer.status != 101:
            seen["body"] = text.decode(errors="replace")
    return seen


def session(port):
    """What a session of TCP sees: an echo's answer to bytes that are sent as they are."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /session HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
            connection.settimeout(PATIENCE)
            text = b""
            while piece := connection.recv(65536):
                text += piece
        if not text:
            return {"status": "refused"}
        return {"status": 200, "backend": json.loads(text.split(b"\r\n\r\n", 1)[1])}
    except TimeoutError as error:
        raise Broken(f"a session: no answer within {PATIENCE} s") from error
    except OSError as error:
        return {"status": "refused", "why": type(error).__name__}


def comparable(seen, ports):
    """Without what has to differ: ports, each proxy's words for a refusal, the name of a cookie's backend."""
    if seen["status"] == "refused":
        return seen
    back = {str(real): str(port) for port, real in ports.items()}
    text = re.sub(r"\b[0-9]{4,5}\b", lambda found: back.get(found[0], found[0]), json.dumps(seen))
    seen = json.loads(text)
    # a redirect says the same with and without the host that was asked for, and the scheme's port
    if location := seen.get("location"):
        seen["location"] = re.sub(r"^https?://[^/]*(?=/|$)", lambda found: re.sub(r":[0-9]+$", "", found[0]), location)
    # texts of errors are each proxy's own, and so is what type they have
    if seen["status"] >= 300:
        seen.pop("content-type", None)
    # errors are not for caches
    if "backend" not in seen and seen.get("cache-control") in ("no-store", "no-cache"):
        seen.pop("cache-control")
    # case makes no difference in a host
    if host := seen.get("backend", {}).get("fields", {}).get("host"):
        seen["backend"]["fields"]["host"] = host.lower()
    if "content-type" in seen:
        seen["content-type"] = seen["content-type"].split(";")[0]
    if seen.get("www-authenticate"):
        seen["www-authenticate"] = re.sub(r', charset="?[Uu][Tt][Ff]-8"?', "", seen["www-authenticate"])
    return seen


def absolute(location, ask):
    host = re.search(r"host=(\S+)", ask)[1]
    scheme = "https" if " tls" in ask else "http"
    return f"{scheme}://{host}{location}" if location.startswith("/") else location


def answers(ports, example):
    """The answers to all requests of an example."""
    found = []
    for ask in example.asks:
        words = ask.split()
        port = ports[int(words[1])]
        times = int((re.search(r"(?:times|same)=(\d+)", ask) or [0, 1])[1])
        jar = {}
        seen = [comparable(exchange(port, ask, jar), ports) for _ in range(times)]
        for one in seen:
            if one.get("location"):
                one["location"] = absolute(one["location"], ask)
        found.append(seen)
    return found


def without_what_is_always_told(a, b):
    """Backends are told how the client came whether the original says so or not."""
    fields = a.get("backend", {}).get("fields", {})
    if "backend" in b and "x-forwarded-proto" not in fields:
        b["backend"].get("fields", {}).pop("x-forwarded-proto", None)


def differences(example, theirs, ours):
    """What is not the same, a line each."""
    told = []
    for seen, other in zip(theirs, ours):
        for a, b in zip(seen, other):
            without_what_is_always_told(a, b)
    for ask, a, b in zip(example.asks, theirs, ours):
        if "same=" in ask:
            stays = [len({json.dumps(one.get("backend", {}).get("backend")) for one in seen[1:]}) == 1 for seen in (a, b)]
            if stays[0] and not stays[1]:
                told.append(f"{ask}: a client stays with the original only")
        if len(a) > 1:
            # which of several is a matter of turns: how often each was asked has to be about the same
            shares = [[sum(one.get("backend", {}).get("backend") == number for one in seen) / len(seen) for number in range(1, 10)] for seen in (a, b)]
            # who is hashed where is each proxy's own; a client that stays was looked at above
            if "same=" not in ask and max(abs(x - y) for x, y in zip(*shares)) > 0.3:
                told.append(f"{ask}: backends by share {shares[0]} and {shares[1]}")
        if len(a) > 1 or " any" in ask:
            a, b = [[{**one, "backend": {**one.get("backend", {}), "backend": 0}} for one in seen] for seen in (a, b)]
        # who shows no certificate is refused in TLS, and by nginx after it
        if " tls" in ask and a[-1]["status"] == 400 and b[-1]["status"] == "refused":
            continue
        # both refuse, each in its own way
        if a[-1]["status"] == b[-1]["status"] == "refused":
            continue
        if a[-1] != b[-1]:
            told.append(f"{ask}\n      original  {json.dumps(a[-1])}\n      converted {json.dumps(b[-1])}")
    return told


# ---------------------------------------------------------------- the two proxies


def start_original(processes, example, folder, ports, backends):
    text = example.written(example.text, ports, backends)
    file = folder / f"original{example.path.suffix}"
    file.write_text(text)
    if example.kind == "nginx":
        for site in (folder / "sites").glob("*.conf"):
            site.write_text(example.written((EXAMPLES / "files/sites" / site.name).read_text(), ports, backends))
        # Debian has it as a module
        module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if "stream {" in text and module.exists():
            file.write_text(f"load_module {module};\n{text}")
        command = ["nginx", "-p", folder, "-c", file, "-e", folder / "error.log", "-g", f"daemon off; pid {folder}/nginx.pid;"]
    else:
        command = ["haproxy", "-f", file, "-db"]
    return processes.start("original.log", command, cwd=folder)


def start_converted(processes, evenkeel, example, folder, ports, backends):
    text = example.written(example.text, ports, backends)
    file = folder / f"{'nginx' if example.kind == 'nginx' else 'haproxy'}{example.path.suffix}"
    file.write_text(text)
    if example.kind == "nginx":
        for site in (folder / "sites").glob("*.conf"):
            site.write_text(example.written((EXAMPLES / "files/sites" / site.name).read_text(), ports, backends))
    done = subprocess.run([evenkeel, "convert", file, "-o", folder / "proxy.toml"], capture_output=True, text=True, timeout=20)
    if done.returncode not in (0, 1) or not (folder / "proxy.toml").exists():
        raise Broken(f"it can't be converted: {done.stderr}")
    with open(folder / "proxy.toml", "a") as out:
        out.write("\n[admin]\nbind = \"127.0.0.1:0\"\n")
    return processes.start("converted.log", [evenkeel, "run", "-c", folder / "proxy.toml"], cwd=folder)


def answers_at(ports, process, log):
    """Waits until all addresses that the requests go to take connections."""
    def listens():
        if process.poll() is not None:
            raise Broken(f"it ended: {log()[-800:]}")
        for port in ports:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True

    wait_until(f"ports {ports}", listens, 15.0)


def compared(evenkeel, example, files, backends):
    """The row of an example."""
    name = f"{example.kind}/{example.name}"
    if not example.asks:
        return Row(name, "-", "has no requests", True)
    program = "nginx" if example.kind == "nginx" else "haproxy"
    if not shutil.which(program):
        return Row(name, "-", f"{program} is not installed", True)
    asked = {int(ask.split()[1]) for ask in example.asks}
    with tempfile.TemporaryDirectory(prefix="convert-") as temporary:
        folder = pathlib.Path(temporary)
        # nginx' workers may be another user
        folder.chmod(0o755)
        seen = []
        for side, start in (("original", start_original), ("converted", start_converted)):
            here = folder / side
            shutil.copytree(files, here)
            ports = {int(port): free_port() for port in example.listening}
            with Processes(folder) as processes:
                if side == "original":
                    process = start(processes, example, here, ports, backends)
                else:
                    process = start(processes, evenkeel, example, here, ports, backends)
                answers_at([ports[port] for port in asked], process, lambda: processes.log(f"{side}.log"))
                seen.append(answers(ports, example))
        told = differences(example, *seen)
    count = sum(len(one) for one in seen[0])
    return Row(name, "the same", f"{count} requests, {len(told)} differ" + "".join(f"\n    {line}" for line in told), not told)


def run(description, patterns, compare):
    """Compares the examples that the command line asks for, of those with these names; the exit code. `compare` makes the row of one."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--evenkeel", default=ROOT / "target/debug/evenkeel", type=pathlib.Path)
    parser.add_argument("words", nargs="*")
    return run_examples(parser.parse_args(), patterns, compare)


def run_examples(options, patterns, compare):
    """Compares the examples with these names that contain one of `options.words`, or all; the exit code."""
    evenkeel = options.evenkeel.resolve()
    paths = sorted(path for pattern in patterns for path in EXAMPLES.glob(pattern))
    chosen = [path for path in paths if not options.words or any(word in str(path) for word in options.words)]
    with tempfile.TemporaryDirectory(prefix="convert-files-") as temporary:
        files = pathlib.Path(temporary) / "files"
        shutil.copytree(EXAMPLES / "files", files)
        certificates(files)
        os.chdir(files)
        ports = backends(files)

        def row(path):
            try:
                return compare(evenkeel, Example(path), files, ports)
            except (Broken, subprocess.SubprocessError, OSError) as error:
                if 'unknown directive "stream"' in str(error):
                    return Row(f"{path.parent.name}/{path.stem}", "-", "this nginx has no stream module", True)
                return Row(f"{path.parent.name}/{path.stem}", "the same", str(error), False)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            rows = print_table(pool.map(row, chosen))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(run(__doc__, ["nginx/*.conf", "haproxy/*.cfg"], compared))

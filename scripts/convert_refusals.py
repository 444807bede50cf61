#!/usr/bin/env python3
"""Whether a converted configuration lets in what the original refuses.

    scripts/convert_refusals.py [--evenkeel FILE] [--most N] [--seed N] [WORD...]

scripts/convert.py and scripts/convert_traefik_and_caddy.py send the requests that an example names. This one makes further ones of them, and of the paths, hosts and
fields that the example's text has: other methods, other spellings of the path (a slash more, doubled slashes, percent-encoded letters, dot segments), other hosts and
other spellings of a host, with and without credentials, from another address, with fields that proxies in front would send, with bodies. The same goes to the real proxy
and to Evenkeel with what came of the conversion, and one rule has to hold: what the original answers itself with a status of 400 and more, or does not answer at all, no
backend of the converted one may serve. The other way round is no mistake here: a converted configuration may refuse more, and says so by line.
"""

import argparse
import base64
import collections
import contextlib
import dataclasses
import http.client
import json
import pathlib
import random
import re
import socket
import ssl
import sys
import tempfile
import time

import convert
import convert_traefik_and_caddy as others
from harness import Broken, Processes, Row, free_port, wait_until

# the mebibyte that nginx takes where nothing is said, and one byte more
MEBIBYTE = 1 << 20
# as long as one example may take, at one proxy: limits that delay requests would need hours
SECONDS = 150.0
# requests in a row of which a rate refuses one
OFTEN = 40


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it is written to the socket."""

    port: int
    method: str
    target: str
    host: str | None
    fields: tuple = ()
    body: int = 0
    chunked: bool = False
    tls: str = ""
    source: str = "127.0.0.1"
    version: str = "1.1"

    def told(self):
        """As a line of a table."""
        more = [f"{name}: {value}" for name, value in self.fields]
        more += [f"body of {self.body}{' in chunks' if self.chunked else ''}"] if self.body else []
        more += [f"from {self.source}"] if self.source != "127.0.0.1" else []
        more += [f"tls={self.tls}"] if self.tls else []
        return f"{self.method} {self.port} {self.target} HTTP/{self.version} host={self.host} {', '.join(more)}".rstrip()

    def bytes(self):
        lines = [f"{self.method} {self.target} HTTP/{self.version}"]
        lines += [f"Host: {self.host}"] if self.host is not None else []
        lines += [f"{name}: {value}" for name, value in self.fields]
        body = b"x" * self.body
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---------------------------------------------------------------- requests


def of_ask(ask):
    """The request that an example names, without repetitions and upgrades."""
    words = ask.split()
    if words[0] == "TCP":
        return None
    options = dict(word.split("=", 1) if "=" in word else (word, "") for word in words[3:])
    fields = [(name, value) for name, value in options.items() if name.startswith("X-")]
    if user := options.get("user"):
        fields.append(credentials(user))
    if cookie := options.get("cookie"):
        fields.append(("Cookie", cookie))
    tls = (options["tls"] or "yes") if "tls" in options else ""
    return Request(int(words[1]), words[0], words[2], options["host"], tuple(fields), int(options.get("body", 0)), tls=tls)


def credentials(user):
    return ("Authorization", "Basic " + base64.b64encode(user.encode()).decode())


def paths_in(text):
    """Paths that the text of a configuration names, as requests would have them."""
    found = []
    for word in re.findall(r"(?<![\w:/.])\^?(/[\w./@%+~-]*)", text):
        if word not in found and not re.match(r"/(etc|var|usr|dev|run|srv)\b", word):
            found.append(word)
    return found[:24] or ["/"]


def bases(example):
    """The requests of the example, and each host and path that its text names at each address that is asked."""
    asked = [request for ask in example.asks if (request := of_ask(ask))]
    text = "\n".join(line for line in example.text.splitlines() if not line.startswith("# "))
    named = [word.lower() for word in re.findall(r"\b(?:[\w-]+\.)+example\b", text)]
    hosts = list(dict.fromkeys([request.host for request in asked] + named))[:6]
    made = []
    for port, tls in dict.fromkeys((request.port, request.tls) for request in asked):
        for host in hosts:
            made += [Request(port, "GET", path, host, tls=tls) for path in paths_in(text)]
    return list(dict.fromkeys(asked + made))


def respelled(path):
    """Other spellings of a path, of which some mean the same and some do not."""
    path, _, query = path.partition("?")
    query = f"?{query}" if query else ""
    parts = path.split("/")
    last = max((at for at, part in enumerate(parts) if part), default=None)
    spelled = [path + "/", path.rstrip("/") or "/", path + "/x", path + "x", path + "/..", path + "/.", path + ";a=b", path + "%2f", path + "%20",
               path + ".php", "/" + path, path.replace("/", "//"), "/." + path, "/x/.." + path, "/%2e" + path, "/x/%2e%2e" + path, path.upper(),
               path.replace("/", "/%2e/"), path + "?x=1", path + "?/../", path + "%3fx", "/%2f" + path.lstrip("/"), path.replace("/", "\\")]
    for at in [at for at, part in enumerate(parts) if part]:
        for letter in (0, len(parts[at]) - 1):
            one = parts[at]
            for code in (f"%{ord(one[letter]):02x}", f"%25{ord(one[letter]):02x}"):
                changed = one[:letter] + code + one[letter + 1 :]
                spelled.append("/".join([*parts[:at], changed, *parts[at + 1 :]]))
    if last is not None:
        whole = "".join(f"%{byte:02X}" for byte in parts[last].encode())
        spelled.append("/".join([*parts[:last], whole, *parts[last + 1 :]]))
        spelled.append("%2F".join(["/".join(parts[:last]), "/".join(parts[last:])]))
    return [one + ("" if "?" in one else query) for one in dict.fromkeys(spelled) if one != path and one.startswith(("/", "\\"))]


def variations(request, names):
    """What else could be asked instead, by kind: each with one change. `names` are fields with values that the configuration speaks of."""
    def other(**change):
        return dataclasses.replace(request, **change)

    def with_field(name, value):
        kept = tuple(field for field in request.fields if field[0].lower() != name.lower())
        return other(fields=(*kept, (name, value)))

    yield "as it is", [request]
    yield "method", [other(method=method) for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get") if method != request.method]
    yield "path", [other(target=target) for target in respelled(request.target)]
    if host := request.host:
        yield "host", [other(host=one) for one in (f"{host}:{request.port}", f"{host}:1", host.upper(), f"{host}.", f"x.{host}", f"x{host}", "other.test", "127.0.0.1", "")]
        yield "form", [other(target=f"http://{host}{request.target}"), other(target=f"http://other.test{request.target}"), other(target=f"http://{host}{request.target}", host="other.test"),
                       other(version="1.0"), other(version="1.0", host=None)]
    yield "credentials", [other(fields=()), *(with_field(*credentials(user)) for user in ("ann:secret", "ben:a:b", "ann:wrong", "nobody:", ":")),
                          with_field("Authorization", "Bearer x"), with_field("Cookie", "session=yes")]
    yield "source", [other(source=source) for source in ("127.0.0.2", "127.9.9.9")]
    yield "fields", [with_field(*field) for field in (("X-Forwarded-For", "10.0.0.1"), ("X-Real-IP", "10.0.0.1"), ("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=10.0.0.1;proto=https"),
                                                      ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "x.example"), ("X-HTTP-Method-Override", "DELETE"),
                                                      ("User-Agent", "scraper"), ("Referer", "http://elsewhere.test/"), ("Content-Type", "text/plain"), *names)]
    yield "body", [other(method="POST", body=1), other(method="POST", body=MEBIBYTE + 1), other(method="POST", body=MEBIBYTE + 1, chunked=True), other(method="PUT", body=64 << 10)]
    if request.tls:
        yield "tls", [other(tls=tls) for tls in ("yes", "client", "no name") if tls != request.tls]


def derived(example, most, seed):
    """All requests to send, with what was changed: each change alone, first of the requests that the example names, and then some pairs of changes; `most` in all."""
    text = example.text
    names = [(name, value) for name in dict.fromkeys(re.findall(r"\bX-[\w-]+", text)) for value in ("yes", "right", "1")]
    dice = random.Random(f"{seed} {example.path.name}")
    all_bases = bases(example)
    asked = {request for ask in example.asks if (request := of_ask(ask))}
    first, rest = [], []
    for base in all_bases:
        for kind, made in variations(base, names):
            (first if base in asked or kind == "as it is" else rest).extend((kind, request) for request in made)
    dice.shuffle(rest)
    pairs = []
    for kind, request in dice.sample(first + rest, min(len(first) + len(rest), most // 8)):
        further, made = dice.choice([one for one in variations(request, names) if one[1]])
        pairs.append((f"{kind}, {further}", dice.choice(made)))
    chosen = (first + pairs + rest)[:most]
    return list(dict.fromkeys(chosen))


# ---------------------------------------------------------------- answers


@dataclasses.dataclass
class Seen:
    """What came of a request."""

    status: int
    # what the backend was asked for, where one has answered
    target: str | None = None

    @property
    def refused(self):
        """Whether the proxy itself has refused it; 502 and 504 tell of a backend."""
        return self.target is None and (self.status == 0 or self.status >= 400 and self.status not in (502, 504))

    @property
    def served(self):
        return self.target is not None and self.status < 400


def send(port, request):
    """Sends a request, and says who answered it and how; status 0: nobody."""
    raw = None
    try:
        raw = socket.create_connection(("127.0.0.1", port), timeout=convert.PATIENCE, source_address=(request.source, 0))
        if request.tls:
            raw = with_tls(raw, request)
        try:
            raw.sendall(request.bytes())
        except (BrokenPipeError, ConnectionResetError):
            pass  # a body that nobody wants; the answer may be there all the same
        answer = http.client.HTTPResponse(raw, method=request.method)
        answer.begin()
        text = answer.read() if answer.status != 101 else b""
    except (OSError, http.client.HTTPException, ValueError):
        return Seen(0)
    finally:
        if raw:
            raw.close()
    # an answer to HEAD has no body that says what was asked for
    target = "" if answer.headers.get("x-powered-by") == "echo" or answer.status == 101 else None
    try:
        target = json.loads(text).get("target", target)
    except (ValueError, AttributeError):
        pass
    return Seen(answer.status, target)


def with_tls(raw, request):
    context = ssl._create_unverified_context()
    if request.tls == "client":
        context.load_cert_chain("certs/client.crt", "certs/client.key")
    name = (request.host or "x").split(":")[0].rstrip(".") or "x"
    return context.wrap_socket(raw, server_hostname=None if request.tls == "no name" else name)


def plain(request):
    """The same in plain words: what a client would ask that asks for just this. What paths mean is in docs/routing.md; a port and a dot at the end of a host mean
    nothing, and TLS has the name."""
    target, host = request.target, request.host or ""
    if absolute := re.match(r"https?://([^/]*)(.*)$", target):
        host, target = absolute[1], absolute[2] or "/"
    path, _, query = target.partition("?")
    path = re.sub(r"%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)) if re.match(r"[\w.~-]", chr(int(found[1], 16)), re.A) else found[0].upper(), path)
    parts = []
    for part in [part.split(";")[0] for part in path.split("/")[1:]]:
        if part == "..":
            parts = parts[:-1]
        elif part not in (".", ""):
            parts.append(part)
    ends = path.split("/")[-1].split(";")[0] in ("", ".", "..")
    path = "/" + "/".join(parts) + ("/" if ends and parts else "")
    return dataclasses.replace(request, target=path + (f"?{query}" if query else ""), host=re.sub(r"\.?(:\d+)?$", "", host).lower(), version="1.1", tls=request.tls.replace("no name", "yes"))


class Side:
    """One of the two proxies, as it runs for an example."""

    def __init__(self, process, log, ports):
        self.process, self.log, self.ports = process, log, ports

    def ask(self, request):
        real = {str(example): str(port) for example, port in self.ports.items()}
        host = request.host and re.sub(r":(\d+)$", lambda found: f":{real.get(found[1], found[1])}", request.host)
        return send(self.ports[request.port], dataclasses.replace(request, host=host))

    def play(self, requests):
        """The answers to as many of the requests as there is time for."""
        end = time.monotonic() + SECONDS
        seen = []
        for _, request in requests:
            if time.monotonic() > end:
                break
            seen.append(self.ask(request))
        return seen


def same_target(one, other):
    """Whether two targets mean the same to a backend, as far as the spelling goes; "" says nothing of it."""
    meant = [plain(Request(0, "GET", target, "")).target.rstrip("/") for target in (one, other)]
    return not one or not other or meant[0] == meant[1]


def let_in(request, refused, served, original, converted):
    """Whether the converted one serves what the original refuses; not, where the original serves just this to the same client that asks for it in plain words."""
    if not refused.refused or not served.served:
        return False
    # which request is the first one above a rate is a matter of moments: there has to be one
    if refused.status in (429, 503) and any(converted.ask(request).status == 429 for _ in range(OFTEN)):
        return False
    # nginx keeps bodies in files, and says 500 where it can't write any
    if refused.status == 500 and request.body:
        return False
    # an escape that can't be read: backends read it themselves, where nobody is refused by paths
    if refused.status == 400 and re.search(r"%(?![0-9a-fA-F]{2})", request.target):
        return False
    again = original.ask(plain(request))
    return not again.served or not same_target(again.target, served.target)


@contextlib.contextmanager
def both(evenkeel, example, files, backends, asked):
    """The original and the converted configuration, before the same backends."""
    ours = others if example.kind in ("traefik", "caddy") else convert
    with tempfile.TemporaryDirectory(prefix="convert-") as temporary, Processes(temporary) as processes:
        folder = pathlib.Path(temporary)
        # nginx' workers may be another user
        folder.chmod(0o755)
        sides = []
        for side in ("original", "converted"):
            here = folder / side
            convert.shutil.copytree(files, here)
            ports = {int(port): free_port() for port in example.listening}
            if side == "original":
                process = ours.start_original(processes, example, here, ports, backends)
            else:
                process = ours.start_converted(processes, evenkeel, example, here, ports, backends)
            convert.answers_at([ports[port] for port in asked], process, lambda side=side: processes.log(f"{side}.log"))
            if side == "original" and example.kind == "traefik":
                wait_until("Traefik to read its files", lambda ports=ports: others.is_configured(example, ports), 20.0)
            sides.append(Side(process, processes.log, ports))
        yield sides


# ---------------------------------------------------------------- the table


def excused(example):
    """What is known to be let in: `# lets in: LINE EXPRESSION`, where `# says: error LINE` (or a warning) tells who reads the result."""
    found = re.findall(r"^# lets in: (\S+) (.+)$", example.text, re.M)
    said = re.findall(r"^# says: (?:error|warning) (\S+)", example.text, re.M)
    if wrong := [line for line, _ in found if line not in said]:
        raise Broken(f"`# lets in: {wrong[0]}` has no `# says: error {wrong[0]}`")
    return [re.compile(expression) for _, expression in found]


def compared(options, counts):
    """Makes the row of an example; `counts` adds up what is seen."""
    def row(evenkeel, example, files, backends):
        name = f"{example.kind}/{example.name}"
        requests = derived(example, options.most, options.seed) if example.asks else []
        if not requests:
            return Row(name, "-", "has no requests", True)
        if not (others.program(example.kind) if example.kind in ("traefik", "caddy") else convert.shutil.which(example.kind)):
            return Row(name, "-", f"{example.kind} is not installed", True)
        known, told, refused, excuses = excused(example), [], 0, 0
        with both(evenkeel, example, files, backends, {request.port for _, request in requests}) as (original, converted):
            theirs, ours = original.play(requests), converted.play(requests)
            for (kind, request), a, b in zip(requests, theirs, ours):
                refused += a.refused
                counts["sent elsewhere by the original only"] += 300 <= a.status < 400 and a.target is None and b.served
                if not let_in(request, a, b, original, converted):
                    continue
                line = f"{kind}: {request.told()}: the original {a.status or 'does not answer'}, the converted one {b.status} of {b.target or 'a backend'}"
                # nginx refuses TRACE, of which the conversion has a note
                if example.kind == "nginx" and request.method == "TRACE" and a.status == 405 or any(one.search(line) for one in known):
                    excuses += 1
                else:
                    told.append(line)
        number = min(len(theirs), len(ours))
        counts.update({"requests": number, "refused by the original": refused, "let in": len(told), "let in, and told by line": excuses})
        said = f"{number} requests, {refused} refused by the original, {len(told)} of them let in"
        return Row(name, "none let in", said + "".join(f"\n    {line}" for line in told[: options.lines]), not told)

    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--evenkeel", default=convert.ROOT / "target/debug/evenkeel", type=pathlib.Path)
    parser.add_argument("--most", default=1200, type=int, help="requests for each example")
    parser.add_argument("--seed", default=1, type=int, help="which of them, and which changes together")
    parser.add_argument("--lines", default=12, type=int, help="requests that are told of each example")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    counts = collections.Counter()
    patterns = ["nginx/*.conf", "haproxy/*.cfg", "traefik/*.yml", "traefik/*.toml", "caddy/*.Caddyfile"]
    done = convert.run_examples(options, patterns, compared(options, counts))
    print(", ".join(f"{name}: {number}" for name, number in counts.items()))
    return done


if __name__ == "__main__":
    sys.exit(main())

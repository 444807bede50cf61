"""Compares what Evenkeel takes for requests with what two strict parsers of others do: llhttp (Node's, by httptools) and h11.

What either of them refuses, or sees as unfinished, Evenkeel must not pass on; and what all three take must be the same messages
with the same bodies. Differences that are meant are in `meant` below, each with its reason.

    compare.py ADDRESS:PORT SECONDS [SEED]

The backend behind that address is this process's own (its port is the first line that is printed): it answers each request with
what it got. Requests are made of good and bad pieces, and then bytes of them are changed; the same seed makes the same ones.
"""

import asyncio
import base64
import json
import random
import re
import sys
import time

import h11
import httptools

AT_ONCE = 24
PATIENCE = 10


# ---------------------------------------------------------------- what is sent

LINES = [
    "GET / HTTP/1.1", "GET /a/b?c=d&e HTTP/1.1", "POST /x HTTP/1.1", "PUT /x HTTP/1.1", "HEAD / HTTP/1.1", "DELETE /x HTTP/1.0",
    "OPTIONS * HTTP/1.1", "GET http://a/x HTTP/1.1", "GET /%00 HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.2", "GET / HTTP/2.0",
    "GET /[]^{|}~ HTTP/1.1", "get / HTTP/1.1", "GET  / HTTP/1.1", "BREW /pot HTTP/1.1", "GET / HTTP/1.1 ", "GET /",
]
FIELDS = [
    "Host: a", "Host: a", "Host: a", "Host:", "Host: b:80", "Host: a, b", "Connection: close", "Connection: keep-alive",
    "Content-Length: 5", "Content-Length: 5", "Content-Length: 0", "Content-Length: 05", "Content-Length: +5", "Content-Length: 5, 5",
    "Content-Length:", "Content-Length: 5 5", "Content-Length: 18446744073709551615", "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity", "transfer-encoding:\tCHUNKED ", "Transfer-Encoding : chunked", "X: y", "X:", "X", ": y", " folded",
    "X:\ty\tz ", "X: caf\xe9", "X Y: z", "X_Y: z", "Content_Length: 3", "Expect: 100-continue", "TE: trailers", "Cookie: a=b; c=d",
    "Upgrade: h2c", "X: a\x01b", "X: a\x7fb", "X: \x00",
]
BODIES = [
    "", "", "hello", "hello", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "0\r\n\r\n",
    "005\r\nhello\r\n00\r\n\r\n", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n", "0\r\n\n", "0\r\na: b\n\r\n", "0\r\na\r\n\r\n", "ffffffffffffffff\r\nhello", "5;a;\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
]
ENDS = ["\r\n"] * 30 + ["\n", "\r", "\r\r\n", " \r\n"]
NOISE = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b",", b"\"", b"\\", b"\x80", b"\xff", b"\x0b", b"\x0c", b"0", b"-", b"_", b"+"]


def candidate(dice):
    ends = lambda: dice.choice(ENDS) if dice.random() < 0.1 else "\r\n"
    fields = dice.choices(FIELDS, k=dice.choice([0, 0, 0, 1, 1, 2, 4]))
    if dice.random() < 0.95:
        fields.insert(0, "Host: a")
    body = dice.choice(BODIES)
    if dice.random() < 0.8:
        # framed as it is
        fields = [field for field in fields if not field.lower().startswith(("content", "transfer"))]
        fields.append("Transfer-Encoding: chunked" if "\n" in body else f"Content-Length: {len(body)}")
    text = "".join(line + ends() for line in [dice.choice(LINES) if dice.random() < 0.2 else "POST /x HTTP/1.1", *fields, ""])
    raw = bytearray((text + body).encode("latin-1"))
    if dice.random() < 0.3:
        raw += b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(dice.choice([0, 0, 0, 1, 1, 2])):
        at = dice.randrange(len(raw) + 1)
        match dice.randrange(4):
            case 0:
                raw[at:at] = dice.choice(NOISE)
            case 1:
                raw[at:at + 1] = dice.choice(NOISE)
            case 2:
                del raw[at:at + dice.randrange(1, 4)]
            case 3:
                raw[at:at + 1] = bytes([dice.randrange(256)])
    return bytes(raw)


# ---------------------------------------------------------------- what the others make of it: messages, and what came of the rest

class Messages:
    """What llhttp tells."""

    def __init__(self):
        self.whole, self.body = [], b""

    def on_message_begin(self):
        self.body = b""

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        self.whole.append(self.body)


def by_llhttp(raw):
    seen = Messages()
    parser = httptools.HttpRequestParser(seen)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        return seen.whole, "another protocol"
    except httptools.HttpParserInvalidMethodError:
        return seen.whole, "an unknown method"
    except httptools.HttpParserError as error:
        return seen.whole, f"refused: {error}"
    return seen.whole, "unfinished"


def by_h11(raw):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    whole, body = [], b""
    try:
        connection.receive_data(raw)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return whole, "unfinished"
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return whole, "another protocol"
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.EndOfMessage):
                whole, body = [*whole, body], b""
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return whole, "the last one"
                connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return whole, f"refused: {error}"


# ---------------------------------------------------------------- what is meant

LATER_VERSION = re.compile(rb" HTTP/1\.[2-9]\r\n")
LENGTHS = re.compile(rb"(?im)^content-length:([^\r\n]*)")
CODINGS = re.compile(rb"(?i)^transfer-encoding:([^\r\n]*)", re.M)


def meant(parser, raw, verdict):
    """The reason why Evenkeel takes what this parser does not, if there is one."""
    if verdict == "an unknown method":
        return "llhttp knows some 40 methods, and RFC 9110, section 9.1, any token"
    if parser == "llhttp" and LATER_VERSION.search(raw):
        return "RFC 9110, section 2.5: a minor version that is not known yet is handled as the highest known one"
    if parser == "h11" and "no request line received" in verdict:
        return "RFC 9112, section 2.2: an empty line before a request line is ignored"
    if "Content-Length" in verdict and any(b"\t" in field and field.strip(b" \t").isdigit() for field in LENGTHS.findall(raw)):
        return "RFC 9110, section 5.5: the white space around a value may be a tab"
    if "Transfer-Encoding" in verdict and any(b"\t" in field and field.strip(b" \t").lower() == b"chunked" for field in CODINGS.findall(raw)):
        return "RFC 9110, section 5.5: the white space around a value may be a tab"
    lengths = [value.strip(b" \t") for field in LENGTHS.findall(raw) for value in field.split(b",")]
    if parser == "llhttp" and len(lengths) > 1 and len(set(lengths)) == 1:
        return "RFC 9112, section 6.3, rule 5: a list of the same valid length counts as that length"
    return None


# ---------------------------------------------------------------- what Evenkeel makes of it

async def answer(reader, writer):
    """The backend: tells what it got."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lower, body = head.lower(), b""
            if b"\r\ntransfer-encoding: chunked\r\n" in lower:
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    body += await reader.readexactly(size)
                    await reader.readexactly(2)
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
            elif length := re.search(rb"\r\ncontent-length: (\d+)\r\n", lower):
                body = await reader.readexactly(int(length[1]))
            told = base64.b64encode(body)
            writer.write(b"HTTP/1.1 200 OK\r\nx-got: %s.\r\ncontent-length: 0\r\n\r\n" % told)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def by_evenkeel(host, port, raw):
    """The bodies of what reached the backend, in order, and all that came back."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(raw)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            said = await reader.read(-1)
    except ConnectionError:
        said = b""
    except TimeoutError:
        return [], b"no end"
    finally:
        writer.close()
    return [base64.b64decode(told) for told in re.findall(rb"(?m)^x-got: ([^.]*)\.\r$", said)], said


# ---------------------------------------------------------------- the comparison

def differences(raw, ours):
    for parser, read in [("llhttp", by_llhttp), ("h11", by_h11)]:
        whole, verdict = read(raw)
        if ours == whole[:len(ours)]:
            continue
        if reason := meant(parser, raw, verdict):
            yield None, reason
        else:
            yield f"{parser}: {whole} {verdict}; Evenkeel passed on {ours}", None


async def main():
    (host, port), seconds = sys.argv[1].rsplit(":", 1), float(sys.argv[2])
    dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    end = time.monotonic() + seconds
    asked, passed, reasons, found = 0, 0, {}, []

    async def ask():
        nonlocal asked, passed
        while time.monotonic() < end and len(found) < 20:
            raw = candidate(dice)
            ours, said = await by_evenkeel(host, int(port), raw)
            asked += 1
            passed += bool(ours)
            if said == b"no end":
                found.append((raw, "neither an answer nor an end"))
            for finding, reason in differences(raw, ours):
                if reason:
                    reasons[reason] = reasons.get(reason, 0) + 1
                else:
                    found.append((raw, finding))

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    for raw, finding in found:
        print(f"{raw!r}\n    {finding}")
    for reason, times in reasons.items():
        print(f"meant, {times} times: {reason}")
    print(json.dumps({"asked": asked, "passed on": passed, "differences": len(found)}))
    # a proxy that refuses everything agrees with everybody
    sys.exit(bool(found) or passed < asked / 10)


async def backend():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(backend() if sys.argv[1:] == ["backend"] else main())

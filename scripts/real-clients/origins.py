"""The servers behind the proxy: HTTP/1.1, WebSocket echo, gRPC in clear and over TLS, each on a port of the kernel's choice.

usage: origins.py CERTIFICATE KEY PORTS. The ports go into the file PORTS, one NAME=PORT a line, once all of them listen.
It ends with its standard input, so that no way in which its parent may end leaves it behind.
"""

import concurrent.futures
import hashlib
import http.server
import os
import sys
import threading

import grpc
import websockets.sync.server

MIB = 1 << 20


def pattern(size):
    """The same bytes on both sides: offsets can be told from the content."""
    return b"".join(b"%015d\n" % at for at in range(0, size, 16))[:size]


FILE = pattern(MIB)


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # the head and the body of an answer in one segment
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/file":
            return self.file()
        self.answer(200, b"hello from %s\n" % self.request_version.encode())

    do_HEAD = do_GET

    def do_PUT(self):
        """Answers with the hash of what came."""
        digest = hashlib.sha256()
        for piece in self.body():
            digest.update(piece)
        self.answer(200, digest.hexdigest().encode() + b"\n")

    do_POST = do_PUT

    def file(self):
        asked = self.headers.get("Range")
        if asked is None:
            return self.answer(200, FILE, {"Accept-Ranges": "bytes"})
        first, last = (int(n) for n in asked.removeprefix("bytes=").split("-"))
        self.answer(206, FILE[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(FILE)}"})

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
            yield piece

    def answer(self, status, body, fields={}):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, address):
        """A client that leaves is no news."""


def echo(connection):
    for message in connection:
        connection.send(message)


class Grpc(grpc.GenericRpcHandler):
    """Methods over plain bytes: nothing to be generated."""

    def service(self, call):
        plain = {"request_deserializer": None, "response_serializer": None}
        return {
            "/demo.Echo/Unary": grpc.unary_unary_rpc_method_handler(self.unary, **plain),
            "/demo.Echo/Stream": grpc.stream_stream_rpc_method_handler(self.stream, **plain),
            "/demo.Echo/Fail": grpc.unary_unary_rpc_method_handler(self.fail, **plain),
        }.get(call.method)

    def unary(self, request, context):
        context.set_trailing_metadata((("length", str(len(request))),))
        return request

    def stream(self, requests, context):
        """Answers each message before it reads the next one."""
        count = 0
        for request in requests:
            count += 1
            yield request[::-1]
        context.set_trailing_metadata((("messages", str(count)),))

    def fail(self, request, context):
        context.set_trailing_metadata((("reason-bin", b"\x00\xff"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 %")


def grpc_server(credentials=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[Grpc()])
    any_port = "127.0.0.1:0"
    port = server.add_secure_port(any_port, credentials) if credentials else server.add_insecure_port(any_port)
    server.start()
    return server, port


def main(certificate, key, ports):
    plain = HttpServer(("127.0.0.1", 0), Http)
    sockets = websockets.sync.server.serve(echo, "127.0.0.1", 0, max_size=4 * MIB)
    clear, clear_port = grpc_server()
    with open(key, "rb") as k, open(certificate, "rb") as c:
        secure, secure_port = grpc_server(grpc.ssl_server_credentials([(k.read(), c.read())]))
    for server in (plain, sockets):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(ports + ".new", "w") as out:
        out.write(f"HTTP_PORT={plain.server_address[1]}\nWS_PORT={sockets.socket.getsockname()[1]}\n")
        out.write(f"GRPC_PORT={clear_port}\nGRPCS_PORT={secure_port}\n")
    os.rename(ports + ".new", ports)
    sys.stdin.read()
    for server in (clear, secure):
        server.stop(None)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])

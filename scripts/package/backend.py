"""Three backends, at the ports of the shipped proxy.toml. What asks for /wait is answered when the file of the argument is there."""
import http.server
import pathlib
import sys
import threading
import time

ANSWER = pathlib.Path(sys.argv[1])


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/wait":
            print("/wait has come", flush=True)
            while not ANSWER.exists():
                time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"served")

    def log_message(self, *_):
        pass


servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), Backend) for port in (9001, 9002, 9003)]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()

"""Requests to instances at given rates, and what they allow."""

import socket
import threading
import time


class Client(threading.Thread):
    """Sends requests to one instance at a rate that can be changed, and counts the answers with 200."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.rate, self.allowed, self.sent = port, 0, 0, 0
        # the most, in seconds, by which a request was sent later than due: those that are late come all at once, and a burst does not let all of them through
        self.late = 0.0

    def run(self):
        try:
            self.send()
        except OSError:
            pass  # its instance has been ended

    def send(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = connection.makefile("rb")
        due = time.monotonic()
        while True:
            if not self.rate:
                time.sleep(0.01)
                due = time.monotonic()
                continue
            due += 1 / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            self.late = max(self.late, time.monotonic() - due)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.sent += 1
            self.allowed += b" 200 " in answers.readline()
            length = 0
            while (line := answers.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)


def play(clients, offered, seconds):
    """What each instance allows in a second, and what was sent to it."""
    for client, rate in zip(clients, offered):
        client.rate = rate
    time.sleep(1.5)
    for client in clients:
        client.late = 0.0
    before, began = [(client.allowed, client.sent) for client in clients], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    seen = [((client.allowed - allowed) / took, (client.sent - sent) / took) for client, (allowed, sent) in zip(clients, before)]
    return [allowed for allowed, _ in seen], [sent for _, sent in seen]

"""A WebSocket client: what it sends comes back, a ping is answered, and the closing handshake is complete.

usage: websocket.py URL [CA]
"""

import ssl
import sys

import websockets.sync.client


def main(url, ca=None):
    tls = ssl.create_default_context(cafile=ca) if ca else None
    with websockets.sync.client.connect(url, ssl=tls, proxy=None, open_timeout=10, max_size=4 << 20) as socket:
        big = bytes(range(256)) * 4096
        for message in ["hello", "", "grüß Gott", b"\x00\xff", big]:
            socket.send(message)
            assert socket.recv(timeout=10) == message
        # several under way at a time
        for number in range(100):
            socket.send(str(number))
        assert [socket.recv(timeout=10) for _ in range(100)] == [str(number) for number in range(100)]
        assert socket.ping().wait(10), "no pong"
        socket.close(4000, "enough")
    assert (socket.close_code, socket.close_reason) == (4000, "enough"), (socket.close_code, socket.close_reason)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""As much of a client's HTTP/2 as a load needs: `GET /` over as many streams of one connection as the server allows, and what ends a stream unprocessed."""

import asyncio
import collections

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8
REFUSED_STREAM = 7
# the server has not begun with it, and says so: the request may be sent again
UNPROCESSED = "unprocessed"
# it was not sent: the connection takes no more
NOT_SENT = "not sent"
# :method GET, :scheme http, :path / of HPACK's static table, and :authority a as a literal
HEAD = b"\x82\x86\x84\x41\x01a"
STATUS_200 = 0x88
LARGEST_WINDOW = (1 << 31) - 1 - 65535
MAX_CONCURRENT_STREAMS = 3
# a connection is changed for a new one before its numbers of streams end
LAST_STREAM = 1 << 30


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Http2(asyncio.Protocol):
    def __init__(self):
        self.streams, self.next_stream, self.buffer = {}, 1, b""
        self.is_open, self.is_going_away = True, False
        # how many streams may be open; not known before the server's settings
        self.limit, self.waiting = 0, collections.deque()

    def connection_made(self, transport):
        self.transport = transport
        # no server push; and windows for as many answers as will ever come
        settings = b"\x00\x02\x00\x00\x00\x00"
        transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, LARGEST_WINDOW.to_bytes(4, "big")))

    def takes_requests(self):
        return self.is_open and not self.is_going_away and self.next_stream < LAST_STREAM

    async def ask(self, loop):
        """What came of a request."""
        while self.takes_requests() and len(self.streams) >= self.limit:
            self.waiting.append(loop.create_future())
            await self.waiting[-1]
        if not self.takes_requests():
            return NOT_SENT
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.streams[stream] = [loop.create_future(), "no status"]
        self.transport.write(frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD))
        try:
            return await self.streams[stream][0]
        finally:
            self.streams.pop(stream, None)
            self.wake(1)
            self.close_if_over()

    def wake(self, count):
        """Lets so many go on of those who wait for their stream."""
        while count > 0 and self.waiting:
            one = self.waiting.popleft()
            if not one.done():
                one.set_result(None)
                count -= 1

    def data_received(self, data):
        self.buffer += data
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
            self.received(kind, flags, stream, payload)

    def received(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.transport.write(frame(SETTINGS, ACK, 0))
            settings = {payload[at + 1]: int.from_bytes(payload[at + 2 : at + 6], "big") for at in range(0, len(payload), 6)}
            self.limit = settings.get(MAX_CONCURRENT_STREAMS, self.limit or 1 << 30)
            self.wake(len(self.waiting))
        elif kind == PING and not flags & ACK:
            self.transport.write(frame(PING, ACK, 0, payload))
        elif kind == HEADERS and stream in self.streams:
            # a change of the size of HPACK's table may stand before the status
            fields = payload.lstrip(bytes(range(0x20, 0x40)))
            self.streams[stream][1] = "ok" if fields[:1] == bytes([STATUS_200]) else "status other than 200"
        elif kind == RST_STREAM:
            code = int.from_bytes(payload, "big")
            self.ended(stream, UNPROCESSED if code == REFUSED_STREAM else f"RST_STREAM {code}")
        elif kind == GOAWAY:
            self.is_going_away = True
            last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            for unprocessed in [number for number in self.streams if number > last]:
                self.ended(unprocessed, UNPROCESSED)
            self.wake(len(self.waiting))
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream in self.streams:
            self.ended(stream, self.streams[stream][1])

    def ended(self, stream, outcome):
        if stream in self.streams and not self.streams[stream][0].done():
            self.streams[stream][0].set_result(outcome)

    def close_if_over(self):
        if self.is_going_away and not self.streams:
            self.transport.close()

    def connection_lost(self, error):
        self.is_open = False
        self.wake(len(self.waiting))
        for stream in list(self.streams):
            self.ended(stream, "reset" if error else "closed")

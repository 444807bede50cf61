"""A backend at several ports: answers every request at once, and keeps connections open."""

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Serving(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.seen = transport, b""

    def data_received(self, data):
        self.seen += data
        requests = self.seen.count(b"\r\n\r\n")
        if requests:
            self.seen = self.seen[self.seen.rindex(b"\r\n\r\n") + 4 :]
            self.transport.write(ANSWER * requests)


async def main(address, ports):
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(Serving, address, int(port), backlog=4096)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], sys.argv[2:]))

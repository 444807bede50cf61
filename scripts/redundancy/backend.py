"""A backend at several ports: answers every request at once, and keeps connections open; an echo of UDP beside it.

    backend.py ADDRESS UDP_PORT PORT...
"""

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


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def main(address, udp_port, ports):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, local_addr=(address, int(udp_port)))
    for port in ports:
        await loop.create_server(Serving, address, int(port), backlog=4096)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))

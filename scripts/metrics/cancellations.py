"""Sends requests that nobody will answer, and breaks each off by a reset: cancellations.py PORT COUNT"""

import asyncio
import socket
import struct
import sys

REQUEST = b"GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def cancelled(port: int, turns: asyncio.Semaphore) -> None:
    async with turns:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await writer.drain()
        # long enough for most to be at a backend; a few are broken off earlier, which is what clients do as well
        await asyncio.sleep(0.02)
        lingers = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)
        writer.transport.abort()


async def main(port: int, count: int) -> None:
    turns = asyncio.Semaphore(50)
    await asyncio.gather(*(cancelled(port, turns) for _ in range(count)))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

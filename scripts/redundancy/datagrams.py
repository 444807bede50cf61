"""Flows of UDP, each of which sends so many datagrams a second to an echo, until its standard input ends.

    datagrams.py ADDRESS PORT FLOWS RATE

Prints how many were sent and answered, and the longest time for which a flow had no answer.
"""

import asyncio
import json
import sys
import time


class Flow(asyncio.DatagramProtocol):
    def __init__(self):
        self.sent, self.answered, self.last, self.longest = 0, set(), time.monotonic(), 0.0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        self.answered.add(data)

    def error_received(self, error):
        """Nobody is there at the moment, which the count of answers says."""

    def send(self):
        self.transport.sendto(b"%d" % self.sent)
        self.sent += 1


async def main(address, port, flows, rate):
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    all_flows = [(await loop.create_datagram_endpoint(Flow, remote_addr=(address, int(port))))[1] for _ in range(int(flows))]
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.raw.read(1) or (loop.remove_reader(sys.stdin.fileno()), over.set()))
    while not over.is_set():
        for flow in all_flows:
            flow.send()
        await asyncio.sleep(1 / float(rate))
    await asyncio.sleep(0.5)
    print(json.dumps({
        "sent": sum(flow.sent for flow in all_flows),
        "answered": sum(len(flow.answered) for flow in all_flows),
        "longest_gap": max(flow.longest for flow in all_flows),
    }))


asyncio.run(main(*sys.argv[1:]))

"""gRPC calls through the proxy, none of which may fail.

usage: grpc_load.py unary|stream|deadline SECONDS ADDRESS:PORT
"""

import sys
import threading
import time

import grpc


def unary(channel):
    assert channel.unary_unary("/demo.Echo/Unary")(b"x" * 1000, timeout=10) == b"x" * 1000


def stream(channel):
    sent = [b"message %d" % number for number in range(20)]
    assert list(channel.stream_stream("/demo.Echo/Stream")(iter(sent), timeout=10)) == sent


def deadline(channel):
    # a server that is told of the deadline may close its connection at it, a moment before the client looks at its clock
    late = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    for method, seconds, codes in (("Slow", 0.2, late), ("None", 5, (grpc.StatusCode.UNIMPLEMENTED,))):
        try:
            channel.unary_unary(f"/demo.Echo/{method}")(b"", timeout=seconds)
        except grpc.RpcError as error:
            assert error.code() in codes, error
        else:
            raise AssertionError("it did not fail")


def main(what, seconds, target):
    end, made, failed = time.time() + float(seconds), [], []

    def go_on():
        with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            while time.time() < end:
                try:
                    {"unary": unary, "stream": stream, "deadline": deadline}[what](channel)
                except (AssertionError, grpc.RpcError) as error:
                    failed.append(error)
                made.append(1)

    threads = [threading.Thread(target=go_on) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(f"{len(made)} calls, {len(failed)} failed", *failed[:3])
    sys.exit(bool(failed))


main(*sys.argv[1:])

"""A gRPC client over plain bytes: unary, a stream in both directions, a failure; the trailers are looked at each time.

usage: grpc_client.py unary|stream|failure ADDRESS:PORT [CA]
"""

import queue
import sys

import grpc

SECONDS = 10


def unary(channel):
    call = channel.unary_unary("/demo.Echo/Unary")
    for size in (0, 1, 1000, 1 << 20):
        answer, trailers = call.with_call(b"x" * size, timeout=SECONDS)
        assert answer == b"x" * size
        assert trailers.code() is grpc.StatusCode.OK
        assert ("length", str(size)) in [tuple(t) for t in trailers.trailing_metadata()]


def stream(channel):
    """In lockstep: a message is sent only when the answer to the one before it has come, so nothing may wait for the end."""
    sending = queue.SimpleQueue()
    call = channel.stream_stream("/demo.Echo/Stream")(iter(sending.get, None), timeout=SECONDS)
    for number in range(50):
        message = b"message %d " % number * (number + 1)
        sending.put(message)
        assert next(call) == message[::-1]
    sending.put(None)
    assert next(call, None) is None
    assert call.code() is grpc.StatusCode.OK
    assert ("messages", "50") in [tuple(t) for t in call.trailing_metadata()]


def failure(channel):
    """A status in the trailers only."""
    try:
        channel.unary_unary("/demo.Echo/Fail")(b"", timeout=SECONDS)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "not today: 100 %", error.details()
        assert ("reason-bin", b"\x00\xff") in [tuple(t) for t in error.trailing_metadata()]
    else:
        raise AssertionError("it did not fail")


def main(what, target, ca=None):
    if ca:
        with open(ca, "rb") as file:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()))
    else:
        channel = grpc.insecure_channel(target)
    with channel:
        {"unary": unary, "stream": stream, "failure": failure}[what](channel)


if __name__ == "__main__":
    main(*sys.argv[1:])

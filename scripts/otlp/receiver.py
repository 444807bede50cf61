"""A collector on 127.0.0.1 that writes each span as a line of JSON.

receiver.py grpc|http PORT FILE
"""

import json
import sys
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

protocol, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
out = open(path, "a", buffering=1)


def plain(value):
    """An AnyValue as Python has it."""
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs):
    found = {pair.key: plain(pair.value) for pair in pairs}
    assert len(found) == len(pairs), "an attribute is there twice"
    return found


def spans(request):
    lines = []
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        assert resource["service.name"] == "evenkeel", resource
        for scope_spans in resource_spans.scope_spans:
            assert scope_spans.scope.name == "evenkeel"
            for span in scope_spans.spans:
                lines.append({
                    "trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "name": span.name, "kind": span.kind, "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                    "flags": span.flags, "error": span.status.code == 2, "attributes": attributes(span.attributes),
                })
    out.write("".join(json.dumps(line) + "\n" for line in lines))


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        assert dict(context.invocation_metadata())["authorization"] == "Bearer abc"
        spans(request)
        return trace_service_pb2.ExportTraceServiceResponse()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/x-protobuf"
        assert self.headers["authorization"] == "Bearer abc"
        assert self.path == "/v1/traces", self.path
        spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        answer = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


if protocol == "grpc":
    server = grpc.server(futures.ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()
else:
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()

"""A gRPC server that ends its connections after 150 ms, as servers behind balancers do after some minutes.

usage: grpc_server.py PORT
"""

import sys
import time
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        name = call.method.rsplit("/", 1)[1]
        if name == "Unary":
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request)
        if name == "Stream":
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
        if name == "Slow":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: (time.sleep(2), request)[1])
        return None


ages = [("grpc.max_connection_age_ms", 150), ("grpc.max_connection_age_grace_ms", 5000)]
server = grpc.server(futures.ThreadPoolExecutor(32), [Echo()], options=ages)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print("ready", flush=True)
server.wait_for_termination()

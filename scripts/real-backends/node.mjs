// An HTTP/2 server in clear that answers once it has the whole request.
import { createServer } from "node:http2";

createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => response.end("ok"));
}).listen(Number(process.argv[2]), "127.0.0.1");

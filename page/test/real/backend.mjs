/** A backend as a process of its own: `fork` it with a port and an id. What it is told by messages is how it behaves. */

import { createServer } from "node:http";

const [port, id] = process.argv.slice(2);
let behaviour = { delayMs: 3, failing: 0, failingPath: "" };
process.on("message", (told) => (behaviour = { ...behaviour, ...told }));
// who has started it is gone
process.on("disconnect", () => process.exit());

let turn = 0;
const server = createServer((request, response) => {
  const { delayMs, failing, failingPath } = behaviour;
  turn += 1;
  const isFailing = request.url !== "/healthz" && (turn % 100 < failing * 100 || (failingPath && request.url.startsWith(failingPath)));
  setTimeout(() => {
    response.writeHead(isFailing ? 500 : 200, { "Content-Type": "text/plain" });
    response.end(id);
  }, delayMs);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), "127.0.0.1", () => process.send({ port: server.address().port }));

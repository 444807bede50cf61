/** What the made-up fleet does when it is told to. */

import { CSRF } from "./server.mjs";

export async function obey(mock, request, path) {
  const text = await textOf(request);
  const { fleet, orders, events } = mock;
  orders.push({ method: request.method, path, body: text ? JSON.parse(text) : undefined });
  if (request.headers["x-csrf-token"] !== CSRF) return problem(403, "a session's cookie alone can't ask for this");
  const body = text ? JSON.parse(text) : {};
  const backend = /^\/api\/v1\/services\/([^/]+)\/backends\/([^/]+)(?:\/(drain|disable|enable))?$/.exec(path);
  if (backend) {
    const [service, id] = [decodeURIComponent(backend[1]), decodeURIComponent(backend[2])];
    if (!fleet.services.get(service)?.backends.has(id)) return problem(404, `the service "${service}" has no backend "${id}"`);
    if (backend[3]) {
      const state = { drain: "draining", disable: "disabled", enable: "up" }[backend[3]];
      fleet.set(service, id, state, body.reason ?? "", state === "up" ? "checks" : "operator");
      events.tell({ kind: "operator", level: "info", service, backend: id, text: `operator said ${backend[3]}`, cause: { command: backend[3], who: "127.0.0.1", reason: body.reason ?? null } });
    } else {
      fleet.backend(service, id).weight = body.weight ?? 1;
    }
    mock.tick();
    return done({ service, backend: id, kept: true });
  }
  const maintenance = /^\/api\/v1\/services\/([^/]+)\/maintenance$/.exec(path);
  if (maintenance) {
    const service = decodeURIComponent(maintenance[1]);
    if (request.method === "DELETE") fleet.maintenance.delete(service);
    else fleet.maintenance.set(service, { service, until: body.until ?? new Date(Date.now() + body.minutes * 60_000).toISOString(), reason: body.reason });
    mock.tick();
    return done({ service });
  }
  const recovery = /^\/api\/v1\/recovery\/(pause|resume)$/.exec(path);
  if (recovery) {
    fleet.recovery = { paused: recovery[1] === "pause", reason: body.reason ?? "", by: "127.0.0.1" };
    mock.tick();
    return done(fleet.recovery);
  }
  const attempt = /^\/api\/v1\/recoveries\/(\d+)\/(approve|refuse|undo|stop)$/.exec(path);
  if (attempt) {
    fleet.recoveries.delete(attempt[1]);
    mock.tick();
    return done({ id: Number(attempt[1]) });
  }
  if (path.endsWith("/note") || path === "/logout") return done({});
  return problem(404, `there is nothing at ${path}`);
}

const done = (value) => ({ body: JSON.stringify(value) });
const problem = (status, detail) => ({ status, type: "application/problem+json", body: JSON.stringify({ status, detail }) });

async function textOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

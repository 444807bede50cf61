/** What the made-up fleet does when it is told to. */

/** What a page has to show with an order. */
export const CSRF = "made-up-secret";

const STATES = { drain: "draining", disable: "disabled", enable: "up" };

/** For each path what is done; it gets what the path names, the body, and the method. */
const ORDERS = [
  [/^\/api\/v1\/services\/([^/]+)\/backends\/([^/]+)(?:\/(drain|disable|enable))?$/, backend],
  [/^\/api\/v1\/services\/([^/]+)\/maintenance$/, maintenance],
  [/^\/api\/v1\/recovery\/(pause|resume)$/, recovery],
  [/^\/api\/v1\/recoveries\/(\d+)\/(?:approve|refuse|undo|stop)$/, ({ fleet }, [id]) => done({ id: fleet.recoveries.delete(id) && id })],
  [/\/note$|^\/logout$/, () => done({})],
];

export async function obey(mock, request, path) {
  const text = await textOf(request);
  const body = text ? JSON.parse(text) : undefined;
  mock.orders.push({ method: request.method, path, body });
  if (request.headers["x-csrf-token"] !== CSRF) return problem(403, "a session's cookie alone can't ask for this");
  for (const [pattern, carryOut] of ORDERS) {
    const found = pattern.exec(path);
    if (!found) continue;
    const names = found.slice(1).map((name) => name && decodeURIComponent(name));
    const answer = carryOut(mock, names, body ?? {}, request.method);
    mock.tick();
    return answer;
  }
  return problem(404, `there is nothing at ${path}`);
}

function backend({ fleet, events }, [service, id, command], { reason = "", weight = null }) {
  if (!fleet.services.get(service)?.backends.has(id)) return problem(404, `the service "${service}" has no backend "${id}"`);
  if (command) {
    fleet.set(service, id, STATES[command], reason, command === "enable" ? "checks" : "operator");
    events.tell({ kind: "operator", level: "info", service, backend: id, text: `operator said ${command}`, cause: { command, who: "127.0.0.1", reason } });
  } else {
    fleet.backend(service, id).weight = weight ?? 1;
  }
  return done({ service, backend: id, kept: true });
}

function maintenance({ fleet }, [service], { minutes, until, reason }, method) {
  const end = until ?? new Date(Date.now() + minutes * 60_000).toISOString();
  if (method === "DELETE") fleet.maintenance.delete(service);
  else fleet.maintenance.set(service, { service, until: end, reason });
  return done({ service });
}

function recovery({ fleet }, [word], { reason = "" }) {
  fleet.recovery = { paused: word === "pause", reason, by: "127.0.0.1" };
  return done(fleet.recovery);
}

const done = (value) => ({ body: JSON.stringify(value) });
const problem = (status, detail) => ({ status, type: "application/problem+json", body: JSON.stringify({ status, detail }) });

async function textOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

/**
 * A server that speaks the contract of the admin address about a made-up fleet, for tests and for work on the page without a proxy.
 * `node mock/server.mjs [--port 9901] [--services 100] [--backends 100] [--events-per-minute 5000]`
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import * as answers from "./answers.mjs";
import { difference, documentOf } from "./document.mjs";
import { Events } from "./events.mjs";
import { Fleet } from "./fleet.mjs";
import { CSRF, obey } from "./orders.mjs";

const ASSETS = new URL("../../src/admin/assets/", import.meta.url);
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };
/** The policy of the real server. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export class Mock {
  constructor(options = {}) {
    this.fleet = new Fleet(options);
    this.events = new Events();
    this.options = { tickMs: 1_000, eventsPerMinute: 0, ...options };
    this.streams = new Set();
    /** The orders that came in, in order. */
    this.orders = [];
    this.isHanging = false;
    this.server = createServer((request, response) => void this.answer(request, response));
    this.timer = setInterval(() => this.tick(), this.options.tickMs);
  }

  /** Listens; port 0 = any that is free. */
  async listen(port = 0) {
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async close() {
    clearInterval(this.timer);
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** Tells every stream what has changed. */
  tick() {
    for (let n = 0; n < (this.options.eventsPerMinute * this.options.tickMs) / 60_000; n += 1) this.events.chatter(this.fleet);
    if (this.isHanging) return;
    for (const stream of this.streams) {
      const next = documentOf(this.fleet, stream.service);
      const patch = this.options.isQuiet ? undefined : difference(stream.last, next);
      if (!patch) continue;
      stream.last = next;
      stream.response.write(`event: patch\ndata: ${JSON.stringify(patch)}\n\n`);
    }
  }

  async answer(request, response) {
    const url = new URL(request.url, "http://mock");
    if (this.isHanging) return;
    const { status = 200, type = "application/json", body } = await this.find(request, url, response);
    if (body === undefined) return;
    const head = { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
    if (type.startsWith("text/html")) head["Content-Security-Policy"] = POLICY;
    response.writeHead(status, head).end(body);
  }

  async find(request, url, response) {
    const { pathname: path, searchParams: query } = url;
    if (request.method !== "GET") return obey(this, request, path);
    if (path === "/" || path.startsWith("/assets/")) return file(path === "/" ? "index.html" : path.slice("/assets/".length), this.options.may);
    if (path === "/healthz") return { body: "ok\n", type: "text/plain" };
    if (path === "/api/v1/live") return this.live(request, query.get("service") ?? undefined, response);
    const value = this.value(path, query);
    return value === undefined ? { status: 404, body: JSON.stringify({ detail: `there is nothing at ${path}` }) } : { body: JSON.stringify(value) };
  }

  live(request, service, response) {
    const whole = documentOf(this.fleet, service);
    if (!request.headers.accept?.includes("text/event-stream")) return { body: JSON.stringify(whole) };
    const stream = { service, response, last: whole };
    this.streams.add(stream);
    response.on("close", () => this.streams.delete(stream));
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write(`event: whole\ndata: ${JSON.stringify(whole)}\n\n`);
    return {};
  }

  value(path, query) {
    const { fleet, events } = this;
    const [service, backend] = [query.get("service") ?? undefined, query.get("backend")];
    const attempt = /^\/api\/v1\/recoveries\/(\d+)$/.exec(path);
    if (attempt) return answers.attempt(Number(attempt[1]));
    const maintenance = /^\/api\/v1\/services\/([^/]+)\/maintenance$/.exec(path);
    if (maintenance) return fleet.maintenance.get(decodeURIComponent(maintenance[1])) ?? null;
    const values = {
      "/api/v1/history": () => answers.history(fleet, service),
      "/api/v1/why": () => answers.why(fleet, events.all, service, backend, query.get("at")),
      "/api/v1/events": () => events.find(query),
      "/api/v1/faults": () => answers.faultsOf(fleet),
      "/api/v1/sla": () => answers.sla(fleet),
      "/api/v1/sla/report": () => answers.report(service),
      "/api/v1/recovery": () => ({ ...fleet.recovery, who: fleet.recovery.by, since: fleet.started, attempts: [], services: { api: { dry_run: false, approve: "ask", braked: null, running: [], in_force: [] } } }),
      "/api/v1/recoveries": () => [18, 17, 16].map(answers.attempt),
      "/api/v1/recoveries/effectiveness": () => ({ api: { unresponsive: { restart: { effectiveness: 0.75, attempts: 7, successes: 6, credited: 6 } } } }),
      "/api/v1/routes": () => answers.routes(fleet),
      "/api/v1/certificates": () => answers.certificates(),
      "/api/v1/pick": () => pick(fleet, service),
      "/api/v1/ring": () => answers.ring(fleet, service, query.get("key")),
    };
    return values[path]?.();
  }
}

function pick(fleet, service) {
  const { backends, balance } = fleet.services.get(service);
  const candidates = [...backends].filter(([, { state }]) => state === "up").map(([backend, { weight, base }]) => ({ backend, weight, in_flight: 2, ewma_ms: base }));
  const picks = Array.from({ length: 10 }, (_, n) => ({ backend: candidates[n % candidates.length].backend, why: "next in turn" }));
  return { service, balance, key: null, panic: false, picks, candidates };
}

async function file(name, may = "act") {
  const text = await readFile(new URL(name, ASSETS), "utf8").catch(() => undefined);
  if (text === undefined || name.includes("..")) return { status: 404, body: "{}" };
  return { type: TYPES[name.split(".").at(-1)], body: name === "index.html" ? text.replace("{csrf}", CSRF).replace("{may}", may) : text };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const options = { port: { type: "string", default: "9901" }, services: { type: "string", default: "100" }, backends: { type: "string", default: "100" }, "events-per-minute": { type: "string", default: "5000" } };
  const { values } = parseArgs({ options });
  const mock = new Mock({ services: Number(values.services), backends: Number(values.backends), eventsPerMinute: Number(values["events-per-minute"]) });
  await mock.listen(Number(values.port));
  console.log(`${mock.url} has ${values.services} services with ${values.backends} backends each`);
}

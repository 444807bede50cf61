/** The real binary, named by EVENKEEL_BINARY, with real backends behind it and clients in front of it. */

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const BINARY = process.env.EVENKEEL_BINARY;

/** Two services of three backends each: one with checks, repairs and a promise, one that hashes. `{...}` are filled in. */
const CONFIGURATION = `
[server]
state_dir = "state"
workers = 2
drain_timeout = "1s"
[admin]
bind = "127.0.0.1:0"
{admin}
[log]
format = "json"
[[listener]]
name = "web"
bind = "127.0.0.1:0"
service = "api"
[[listener.route]]
path_prefix = "/shop"
service = "shop"
{services}
[service.api.detect]
[service.api.health]
path = "/healthz"
interval = "500ms"
[service.api.sla]
target = 0.5
[[service.api.recover]]
strategy = "restart"
webhook = "{webhook}/restart"
[service.api.recovery]
approve = "{approve}"
cool_down = "2s"
`;
const BALANCE = { api: "round_robin", shop: "consistent_hash" };

export class Fleet {
  /** Starts everything. `admin` are further lines of `[admin]`; `approve` as in `[service.NAME.recovery]`. */
  static async start({ admin = "", approve = "auto", rate = 100, files = {}, outlier = "" } = {}) {
    const fleet = new Fleet();
    fleet.rate = rate;
    fleet.dir = await mkdtemp(join(tmpdir(), "evenkeel-page-"));
    for (const [name, text] of Object.entries(files)) await fleet.write(name, text);
    fleet.backends = new Map();
    for (const name of ["api/a", "api/b", "api/c", "shop/x", "shop/y", "shop/z"]) fleet.backends.set(name, await Backend.start(name.split("/")[1]));
    await fleet.listenForRestarts();
    const values = { admin, approve, webhook: fleet.webhook, services: fleet.services(outlier) };
    fleet.configuration = CONFIGURATION.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    await fleet.startProxy();
    fleet.load();
    return fleet;
  }

  services(outlier) {
    const parts = [];
    for (const [service, balance] of Object.entries(BALANCE)) {
      parts.push(`[service.${service}]\nbalance = "${balance}"`);
      if (balance === "consistent_hash") parts.push(`hash.on = "query:user"`);
      if (outlier) parts.push(`[service.${service}.outlier]\n${outlier}`);
      for (const [name, { id, port }] of this.backends) {
        if (name.startsWith(`${service}/`)) parts.push(`[[service.${service}.backend]]\nid = "${id}"\naddress = "127.0.0.1:${port}"`);
      }
    }
    return parts.join("\n");
  }

  /** Starts the proxy, after the first time at the addresses that it had. */
  async startProxy() {
    const addresses = [this.url, this.web].map((url) => url?.replace("http://", "") ?? "127.0.0.1:0");
    await this.write("proxy.toml", this.configuration.replaceAll("127.0.0.1:0", () => addresses.shift()));
    this.proxy = spawn(BINARY, ["run", "-c", "proxy.toml"], { cwd: this.dir, stdio: ["ignore", "ignore", "pipe"] });
    this.log = [];
    const lines = createInterface({ input: this.proxy.stderr });
    await new Promise((ready, fail) => {
      lines.on("line", (line) => {
        this.log.push(line);
        const { message, address } = line.startsWith("{") ? JSON.parse(line) : {};
        if (message === "admin listening") this.url ??= `http://${address}`;
        if (message === "listening") this.web ??= `http://${address}`;
        if (message === "ready") ready();
      });
      this.proxy.on("exit", (code) => fail(new Error(`the proxy has ended with ${code}:\n${this.log.join("\n")}`)));
    });
  }

  /** Where a repair is asked for: who is named is started anew. */
  async listenForRestarts() {
    this.restarts = createServer((request, response) => {
      let text = "";
      request.on("data", (piece) => (text += piece));
      request.on("end", () => {
        const { service, backend } = JSON.parse(text);
        this.restart(`${service}/${backend}`).then(() => response.end("started\n"));
      });
    });
    this.restarts.listen(0, "127.0.0.1");
    await once(this.restarts, "listening");
    this.webhook = `http://127.0.0.1:${this.restarts.address().port}`;
  }

  /** Clients: so many requests a second to each service. */
  load() {
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    this.agent = agent;
    this.sent = { ok: 0, failed: 0 };
    let user = 0;
    const ask = (path) => {
      const request = get(this.web + path, { agent, timeout: 5_000 }, (answer) => {
        answer.resume();
        this.sent[answer.statusCode < 500 ? "ok" : "failed"] += 1;
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => (this.sent.failed += 1));
    };
    this.timer = setInterval(() => {
      user += 1;
      ask(`/${["list", "cart", "checkout"][user % 3]}`);
      ask(`/shop/item?user=${user % 1000}`);
    }, 1000 / this.rate);
  }

  /** Writes a file beside the configuration. */
  async write(name, text) {
    await writeFile(join(this.dir, name), text);
  }

  /** Kills the proxy. */
  async kill() {
    this.proxy.removeAllListeners("exit");
    if (this.proxy.exitCode !== null || this.proxy.signalCode !== null) return;
    this.proxy.kill("SIGKILL");
    await once(this.proxy, "exit");
  }

  async restart(name) {
    await this.backend(name).kill();
    await this.backend(name).start();
  }

  backend(name) {
    return this.backends.get(name);
  }

  /** Asks the admin address. */
  async ask(path, init = {}) {
    const answer = await fetch(this.url + path, init);
    return { status: answer.status, value: await answer.json().catch(() => undefined) };
  }

  async stop() {
    clearInterval(this.timer);
    this.agent?.destroy();
    await this.kill();
    for (const backend of this.backends.values()) await backend.kill();
    this.restarts.closeAllConnections();
    this.restarts.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

class Backend {
  static async start(id) {
    const backend = new Backend();
    Object.assign(backend, { id, port: 0 });
    await backend.start();
    return backend;
  }

  /** Starts it, after the first time at the port that it had. */
  async start() {
    this.process = fork(new URL("backend.mjs", import.meta.url), [String(this.port), this.id]);
    const [{ port }] = await once(this.process, "message");
    this.port = port;
  }

  /** How it behaves from now on: `delayMs`, `failing` (a share), `failingPath`. */
  tell(behaviour) {
    this.process.send(behaviour);
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

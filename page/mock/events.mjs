/** Events of a made-up fleet, the oldest first. */

import { randomFrom } from "./fleet.mjs";

/** So many are kept, as by the server. */
const KEPT = 10_000;
const RANK = { info: 0, warn: 1, error: 2 };

export class Events {
  constructor() {
    this.all = [];
    this.last = Date.now() * 1000;
    this.random = randomFrom(7);
  }

  tell(event) {
    this.last += 1;
    this.all.push({ id: this.last, time: new Date().toISOString(), service: null, backend: null, cause: {}, ...event });
    if (this.all.length > KEPT) this.all.shift();
  }

  /** Something that happens all the time. */
  chatter(fleet) {
    const names = [...fleet.services.keys()];
    const service = names[Math.floor(this.random() * names.length)];
    const ids = [...fleet.services.get(service).backends.keys()];
    const backend = ids[Math.floor(this.random() * ids.length)];
    const isBad = this.random() < 0.2;
    this.tell({
      kind: isBad ? "backend_ejected" : "backend_up",
      level: isBad ? "warn" : "info",
      service,
      backend,
      text: isBad ? "backend is ejected: 41 % of its requests failed, of its peers' 0 %" : "backend is up",
      cause: { state: isBad ? "ejected" : "up", by: isBad ? "outlier" : "checks", was: isBad ? "up" : "ejected", after_s: 31.2 },
    });
  }

  find(query) {
    const [since, before, limit] = ["since", "before", "limit"].map((name) => Number(query.get(name)) || undefined);
    const [service, backend, level, kind] = ["service", "backend", "level", "kind"].map((name) => query.get(name));
    const wanted = this.all.filter(
      (event) =>
        (since === undefined || event.id > since) &&
        (before === undefined || event.id < before) &&
        (!service || event.service === service) &&
        (!backend || event.backend === backend) &&
        (!level || RANK[event.level] >= RANK[level]) &&
        (!kind || kind.split(",").some((pattern) => event.kind.startsWith(pattern.replace("*", "")))),
    );
    return since === undefined ? wanted.slice(-(limit ?? 1000)) : wanted.slice(0, limit ?? 1000);
  }
}

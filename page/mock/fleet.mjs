/** A fleet that is made up: its traffic wanders, its backends fail when they are told to. All of it follows from a seed. */

/** A source of random numbers that always says the same for a seed (mulberry32, T. Ettinger). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Three significant figures, as the server rounds. */
export const rounded = (n) => (n === null ? null : Number(n.toPrecision(3)));

const NAMES = ["api", "web", "checkout", "search", "images", "login", "billing", "mail", "stock", "reports"];
const ALGORITHMS = ["round_robin", "least_connections", "response_time", "consistent_hash", "power_of_two"];
const USABLE = new Set(["up", "starting", "unknown"]);

export class Fleet {
  constructor({ services = 3, backends = 3, seed = 1 } = {}) {
    this.random = randomFrom(seed);
    this.services = new Map();
    this.faults = new Map();
    this.recoveries = new Map();
    this.maintenance = new Map();
    /** What was not taken on: `reload_refused`, `certificates_refused`. */
    this.refused = {};
    this.recovery = { paused: false, reason: "", by: "" };
    this.cluster = undefined;
    this.phase = "ready";
    this.started = new Date().toISOString();
    for (let s = 0; s < services; s += 1) {
      const name = s < NAMES.length ? NAMES[s] : `${NAMES[s % NAMES.length]}-${Math.floor(s / NAMES.length)}`;
      this.services.set(name, this.makeService(s, backends));
    }
  }

  makeService(s, backends) {
    const all = new Map();
    for (let b = 0; b < backends; b += 1) {
      const id = backends <= 26 ? String.fromCharCode(97 + b) : `b${b + 1}`;
      all.set(id, {
        address: `10.${s % 250}.${Math.floor(b / 250)}.${(b % 250) + 1}:8080`,
        weight: 1,
        zone: ["eu-1", "eu-2", "eu-3"][b % 3],
        backup: false,
        state: "up",
        reason: "",
        since: new Date(Date.now() - this.random() * 86_400_000).toISOString(),
        by: "checks",
        failing: 0,
        base: 2 + this.random() * 30,
      });
    }
    return { balance: ALGORITHMS[s % ALGORITHMS.length], base: 20 + this.random() * 900, budget: 0.5 + this.random() * 0.5, backends: all };
  }

  /** Sets how a backend stands. */
  set(service, id, state, reason = "", by = "checks") {
    Object.assign(this.backend(service, id), { state, reason, by, since: new Date().toISOString() });
  }

  /** The share of a backend's requests that fail. */
  fail(service, id, share) {
    this.backend(service, id).failing = share;
  }

  backend(service, id) {
    return this.services.get(service).backends.get(id);
  }

  /** Around 1, and never far from it. */
  noise(width = 0.08) {
    return 1 + (this.random() - 0.5) * 2 * width;
  }

  /** The figures of each backend of a service, now. */
  look(service) {
    const { backends, base } = this.services.get(service);
    const usable = [...backends.values()].filter(({ state, weight }) => USABLE.has(state) && weight > 0);
    const weights = usable.reduce((sum, { weight }) => sum + weight, 0);
    const total = usable.length > 0 ? base * this.noise() : 0;
    const figures = {};
    let failed = 0;
    for (const [id, backend] of backends) {
      const share = usable.includes(backend) ? backend.weight / weights : 0;
      const rate = total * share * this.noise(0.03);
      failed += rate * backend.failing;
      figures[id] = shown(backend, share, rate, this.noise());
    }
    return { figures, rate: total, failed, usable: usable.length };
  }
}

function shown(backend, share, rate, noise) {
  const { address, weight, zone, backup, state, reason, since, by, failing, base, workShare = 1 } = backend;
  const works = rate > 0;
  const isChecked = state !== "down";
  return {
    address, weight, zone, backup, state, reason, since, by,
    rate: rounded(rate),
    share: rounded(share),
    error_rate: works ? rounded(failing) : null,
    latency_ms: works ? rounded(base * noise) : null,
    p50_ms: works ? rounded(base * 0.8 * noise) : null,
    p99_ms: works ? rounded(base * 4 * noise) : null,
    retries: works ? Math.round(failing * base) : 0,
    in_flight: works ? Math.round((rate * base) / 1000) : 0,
    max_connections: 256,
    breaker: state === "broken" ? "open" : "closed",
    work_share: state === "ejected" ? 0 : workShare,
    cpu: null,
    memory: null,
    last_check: { ok: isChecked, ms: rounded(1.2 * noise), reason: isChecked ? "" : reason },
  };
}

/** What is wrong with a service, in words. */
export function words(backends, usable, failedShare) {
  const out = [...backends].filter(([, { state, by }]) => !USABLE.has(state) && by !== "operator");
  const named = out.slice(0, 3).map(([id, { state, reason }]) => `${id} is ${state}${reason ? ` (${reason})` : ""}`);
  const more = out.length > 3 ? ` and ${out.length - 3} more` : "";
  const parts = [];
  if (failedShare >= 0.5) parts.push(`${(failedShare * 100).toFixed(1)} % of its requests fail`);
  if (out.length > 0) parts.push(`${usable} of ${backends.size} backends can be used: ${named.join(", ")}${more}`);
  return parts.join("; ");
}

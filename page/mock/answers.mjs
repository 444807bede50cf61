/** Made-up answers of the paths that are asked now and then: history, why, events, availability, and so on. */

import { randomFrom, rounded } from "./fleet.mjs";

const DAY_MS = 86_400_000;

export function history(fleet, name) {
  const base = name ? fleet.services.get(name).base : [...fleet.services.values()].reduce((sum, { base }) => sum + base, 0);
  const points = (value) => Array.from({ length: 360 }, (_, at) => rounded(value(at)));
  const wave = (at) => 1 + 0.25 * Math.sin(at / 40) + 0.08 * (fleet.random() - 0.5);
  const hump = (at) => (at > 250 && at < 290 ? 1 : 0);
  return {
    service: name ?? null,
    step_s: 10,
    end: new Date(Math.floor(Date.now() / 10_000) * 10_000).toISOString(),
    rate: points((at) => base * wave(at)),
    error_rate: points((at) => 0.0004 * fleet.random() + 0.03 * hump(at)),
    p50_ms: points((at) => 8 * wave(at)),
    p99_ms: points((at) => 45 * wave(at) * (1 + 3 * hump(at))),
  };
}

export function why(fleet, events, service, id, at) {
  const { state, reason, by, since } = fleet.backend(service, id);
  const isOut = state === "ejected" || state === "down";
  return {
    service, backend: id, at: at ?? new Date().toISOString(), state, reason, by, since,
    text: isOut
      ? [`${id} is ${state} because ${reason}.`, "Its peers answered at the same time: nobody else was slow or failed."]
      : [`${id} takes part: nothing speaks against it.`],
    rules: [
      { rule: "failures in a row", figure: isOut ? "7" : "0", threshold: "5", would: "eject", holds: isOut, text: "counted since its last good answer" },
      { rule: "error rate against the peers", figure: isOut ? "41 %" : "0 %", threshold: "20 % and 3 times the peers'", would: "eject", holds: isOut, text: "over the last 10 s" },
      { rule: "latency against the peers", figure: "1.1 times", threshold: "3 times", would: "eject", holds: false, text: "its median against that of its peers" },
      { rule: "health check", figure: isOut ? "3 failed" : "passed", threshold: "3 failed", would: "mark down", holds: state === "down", text: "GET /healthz each 2 s" },
    ],
    votes: isOut ? [{ fault: "unresponsive", detector: "peers", confidence: 0.91, text: "100 % of its 14 requests failed, of its peers' 0 %" }] : [],
    brakes: [{ brake: "max_ejected", holds: false, text: "1 of 3 is ejected; at most a half may be" }],
    algorithms: ["round_robin", "least_connections", "response_time", "power_of_two"].map((algorithm, n) => ({
      algorithm,
      share: isOut ? 0 : 0.25 + 0.03 * n,
      text: isOut ? "it is not a candidate" : "from what is in flight and how fast it answers",
    })),
    timeline: events.filter((event) => event.service === service && event.backend === id).slice(-200).reverse(),
  };
}

export function sla(fleet) {
  const services = [...fleet.services].map(([name, { budget }], n) => [
    name,
    {
      tier: "standard", target: 0.999, by_time: 0.99971 - n * 0.0001, by_requests: 0.99984, failures: 2, mttr_s: 94, mtbf_s: 1_200_000,
      longest_outage_s: 130, rto_violations: n === 1 ? 1 : 0, requests_lost: 311, error_budget_left: budget, compliant: 0.99971 - n * 0.0001 >= 0.999,
      state: fleet.maintenance.has(name) ? "maintenance" : "up", maintenance_until: fleet.maintenance.get(name)?.until ?? null, incident: null,
      next_maintenance: n % 3 === 0 ? { from: new Date(Date.now() + 2 * DAY_MS).toISOString(), to: new Date(Date.now() + 2 * DAY_MS + 7_200_000).toISOString(), rule: "Sun 02:00-04:00 Europe/Berlin" } : null,
      burn_rate: { "5m": 0, "1h": n === 2 ? 3.4 : 0.2 }, alerts: [], incidents: [incident(1, 12), incident(2, 3)],
      budget: { allowed_s: 2592, spent_s: 2592 * (1 - budget), left_by_time: budget, left_by_requests: 0.8, allowed_requests: 4_000, spent_requests: 800, exhausted_in_s: budget <= 0 ? 0 : n === 2 ? 190_000 : null },
      promise: { rto_s: 120, mttr_s: 120, mtbf_s: 600_000, window: { rolling_s: 2_592_000 } },
    },
  ]);
  return Object.fromEntries(services);
}

function incident(id, daysAgo) {
  const began = Date.now() - daysAgo * DAY_MS;
  return {
    id, began: new Date(began).toISOString(), ended: new Date(began + 94_000).toISOString(), lasted_s: id === 1 ? 130 : 58, down_s: 94, rto_s: 120,
    within_rto: id !== 1, cause: { kind: "check", text: "all backends refused connections" }, backends: ["a", "b"], requests_lost: 155,
    notes: id === 1 ? [{ at: new Date(began + 3_600_000).toISOString(), who: "token ops from 10.0.0.7", text: "the switch was replaced" }] : [], ended_by_attempt: 17,
  };
}

export function report(name) {
  const days = Array.from({ length: 90 }, (_, at) => {
    const grade = at < 20 ? "unknown" : at === 78 ? "bad" : at === 87 ? "missed" : at === 60 ? "planned" : "met";
    const down = grade === "bad" ? 900 : grade === "missed" ? 120 : 0;
    return {
      start: new Date(Date.now() - (89 - at) * DAY_MS).toISOString(), grade, by_time: grade === "unknown" ? null : 1 - down / 86_400,
      by_requests: grade === "unknown" ? null : 0.9999, downtime_s: down, requests: { good: 1_000_000, failed: down, slow: 0, excluded: 0 },
    };
  });
  return { services: { [name]: { days, attempts: [] } } };
}

/** A ring that is cut into as many slices as the server's. */
export function ring(fleet, name, key) {
  const { backends } = fleet.services.get(name);
  const members = [...backends].filter(([, { state, weight }]) => state === "up" && weight > 0);
  const weights = members.reduce((sum, [, { weight }]) => sum + weight, 0);
  const random = randomFrom(members.length);
  const slices = Array.from({ length: 720 }, () => Math.floor(random() * members.length));
  const at = (hash(key ?? "") % 1000) / 1000;
  const owners = [...new Set([...slices, ...slices].slice(Math.floor(at * 720)))].slice(0, 5).map((place) => members[place][0]);
  return {
    service: name, hash_on: "client_ip", virtual_nodes: 150, bounded_load: 1.25, points: 150 * weights,
    backends: members.map(([backend, { weight }], place) => ({
      backend, weight, share: rounded(slices.filter((owner) => owner === place).length / 720), fair_share: rounded(weight / weights),
    })),
    slices,
    key: key === null ? null : { key, at, owners },
  };
}

const hash = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 1_000_003, 7);

export const attempt = (id) => ({
  id, service: "api", backend: "b", fault: "unresponsive", confidence: 0.91, votes: [{ by: "peers", text: "100 % of its 14 requests failed, of its peers' 0 %" }],
  strategy: "restart", kind: "restart", why: "restart: effectiveness 0.72 for unresponsive here (5 of 6 attempts); failover 0.50", number: 1,
  brakes: [{ by: "cooldown", text: "the last attempt was 3 h ago; 5 min are needed" }], dry_run: false, phase: id === 18 ? "proposed" : "ended",
  raised: new Date(Date.now() - 3_600_000).toISOString(), start: new Date(Date.now() - 3_599_000).toISOString(), acted: id === 18 ? null : new Date(Date.now() - 3_598_000).toISOString(),
  end: id === 18 ? null : new Date(Date.now() - 3_593_000).toISOString(), outcome: id === 18 ? null : "healed", success: id === 18 ? null : true, duration_s: 6,
  recovery_s: id === 18 ? null : 6.3, credited: true, lesson: "effectiveness 0.75 (6 of 7 attempts)",
  act: id === 18 ? null : { what: "/srv/api/backend restart b", ok: true, code: 0, error: "", took_s: 1.8, output: "started b on port 9002\n", left_out: 0 },
  undo: null, who: null, in_force: false,
});

export const routes = (fleet) => [
  ...[...fleet.services.keys()].map((name, n) => ({ listener: "secure", text: `host ${name}.example.com, path /`, to: name, hits: 90_000 - n * 700 })),
  { listener: "web", text: "everything", to: "redirect 301 to https://{host}{path}", hits: 4_211 },
];

export const certificates = () =>
  [["example.com", 61], ["api.example.com", 9]].map(([name, days], n) => ({
    listener: "secure", names: [name, `www.${name}`], subject: `CN=${name}`, issuer: "CN=R11, O=Let's Encrypt, C=US", not_before: new Date(Date.now() - 29 * DAY_MS).toISOString(),
    not_after: new Date(Date.now() + days * DAY_MS).toISOString(), days_left: days, fingerprint_sha256: "6f1d".repeat(16), default: n === 0,
  }));

export const faultsOf = (fleet) =>
  [...fleet.faults.values()].map(({ confidence, ...fault }) => ({
    ...fault, scope: fault.backend ? "backend" : "service", name: null, confidence, until: null, held_s: 12,
    votes: [{ detector: "peers", fault: fault.fault, confidence, reason: "answers take 52 ms, those of its peers 5.1 ms (731 answers)" }], action: "ejected for 10s",
  }));

/** The live document of a fleet, and the difference between two of them. */

import { rounded, words } from "./fleet.mjs";

const PLAIN = { panic: false, waiting: 0, retry_rate: 0 };

/** The document, with the details of one service where a name is given. */
export function documentOf(fleet, name) {
  const services = {};
  let service = null;
  for (const [each, { balance, budget, backends }] of fleet.services) {
    const { figures, rate, failed, usable } = fleet.look(each);
    const faults = [...fleet.faults.values()].filter((fault) => fault.service === each).length;
    const recovering = [...fleet.recoveries.values()].filter((recovery) => recovery.service === each).length;
    const errorRate = rate > 0 ? Math.min(1, failed / rate) : null;
    const said = words(backends, usable, errorRate ?? 0);
    const state = usable === 0 || (errorRate ?? 0) >= 0.5 ? "down" : said || faults > 0 ? "impaired" : "ok";
    const slowest = Math.max(0, ...Object.values(figures).map(({ p99_ms: p99 }) => p99 ?? 0));
    services[each] = {
      ...PLAIN,
      state,
      words: said,
      balance,
      healthy: usable,
      total: backends.size,
      rate: rounded(rate),
      error_rate: rounded(errorRate),
      p50_ms: rate > 0 ? rounded(slowest * 0.2) : null,
      p90_ms: rate > 0 ? rounded(slowest * 0.6) : null,
      p99_ms: rate > 0 ? rounded(slowest) : null,
      in_flight: Object.values(figures).reduce((sum, { in_flight: now }) => sum + now, 0),
      budget_left: Math.floor(budget * 1000) / 1000,
      maintenance: fleet.maintenance.has(each),
      faults,
      recovering,
    };
    if (each === name) service = { name, balance, protocol: "http", backends: figures, shadow: shadows(figures) };
  }
  return {
    version: "0.2.0",
    started: fleet.started,
    config_generation: 3,
    phase: fleet.phase,
    ...fleet.refused,
    ...(fleet.cluster === undefined ? {} : { cluster: { ...fleet.cluster } }),
    recovery: { ...fleet.recovery },
    listeners: {
      web: { address: "0.0.0.0:80", protocol: "http", tls: false, connections: Math.round(120 * fleet.noise()) },
      secure: { address: "0.0.0.0:443", protocol: "http", tls: true, connections: Math.round(900 * fleet.noise()) },
      database: { address: "0.0.0.0:5432", protocol: "tcp", tls: false, connections: 12 },
    },
    services,
    faults: Object.fromEntries(fleet.faults),
    recoveries: Object.fromEntries(fleet.recoveries),
    ...(name === undefined ? {} : { service }),
  };
}

/** What two other algorithms would have done: one as the real one, one that likes the first backend. */
function shadows(figures) {
  const ids = Object.keys(figures);
  const even = Object.fromEntries(ids.map((id) => [id, rounded(1 / ids.length)]));
  const first = Object.fromEntries(ids.map((id, at) => [id, rounded(at === 0 ? 0.6 : 0.4 / (ids.length - 1))]));
  return [
    { algorithm: "least_connections", picks: 12_340, agreement: 0.412, backends: even, mean_ms: 9.1, p99_ms: 41 },
    { algorithm: "response_time", picks: 12_340, agreement: 0.328, backends: first, mean_ms: 6.4, p99_ms: 22 },
  ];
}

/** The JSON merge patch (RFC 7396) that makes `next` of `before`; `undefined` = nothing has changed. */
export function difference(before, next) {
  if (before === next) return undefined;
  if (!isObject(before) || !isObject(next)) return JSON.stringify(before) === JSON.stringify(next) ? undefined : next;
  const patch = {};
  for (const name of Object.keys(next)) {
    const changed = name in before ? difference(before[name], next[name]) : next[name];
    if (changed !== undefined) patch[name] = changed;
  }
  for (const name of Object.keys(before)) if (!(name in next)) patch[name] = null;
  return Object.keys(patch).length > 0 ? patch : undefined;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The backends of a service. */

import { useMemo, useRef } from "preact/hooks";
import { ActButton } from "../acts/button";
import { command, weight } from "../acts/catalogue";
import { mayAct } from "../api";
import { count, failed, ms, percent, rate, words } from "../format";
import type { Backend } from "../live/contract";
import { Marked } from "../parts/marked";
import { Bar, Pill } from "../parts/pill";
import { Spark, Sparks } from "../parts/spark";
import { to } from "../router";
import { type Column, Table } from "../table/table";
import { ORDER, ofBackend, ofErrors } from "../tone";

type Backends = Record<string, Backend>;

/** A backend that takes part. */
export const USABLE: ReadonlySet<string> = new Set(["up", "starting", "unknown"]);

export function Backends({ service, backends }: { service: string; backends: Backends }) {
  const sparks = useRef(new Sparks());
  const taken = useRef<Backends | undefined>(undefined);
  if (taken.current !== backends) {
    taken.current = backends;
    sparks.current.take(Object.entries(backends).map(([id, backend]) => [id, backend.p50_ms ?? undefined]));
  }
  const columns = useMemo(() => columnsOf(service, sparks.current, () => taken.current ?? {}), [service]);
  return (
    <Table
      name="backends"
      what="backends"
      rows={backends}
      columns={columns}
      first="state"
      rank={rankOf}
      text={(backend, id) => `${id} ${backend.address} ${backend.state} ${backend.reason ?? ""} ${backend.zone ?? ""}`}
      empty="This service has no backend now."
    />
  );
}

export function isLast(backends: Backends, id: string): boolean {
  return !Object.entries(backends).some(([other, { state }]) => other !== id && USABLE.has(state));
}

function rankOf({ state }: Backend): number {
  return ORDER.indexOf(ofBackend(state));
}

function columnsOf(service: string, sparks: Sparks, all: () => Backends): Column<Backend>[] {
  const columns: Column<Backend>[] = [
    {
      id: "name",
      head: "Backend",
      width: 15,
      isWide: true,
      key: (_, id) => id,
      cell: (backend, id) => (
        <>
          <a href={to("service", service, id)}>{id}</a>
          {backend.address !== id && <small class="soft">{backend.address}</small>}
        </>
      ),
    },
    { id: "state", head: "State", isWide: true, key: rankOf, cell: (backend) => <State backend={backend} /> },
    {
      id: "share",
      head: "Share",
      width: 7,
      isDescending: true,
      key: (b) => b.share,
      cell: ({ share }) => <Bar share={share ?? 0} text={percent(share ?? 0)} />,
    },
    { id: "rate", head: "Req/s", width: 5.5, isNumber: true, isDescending: true, key: (b) => b.rate, cell: (b) => rate(b.rate) },
    {
      id: "errors",
      head: "Failed",
      width: 6,
      isNumber: true,
      isDescending: true,
      key: (b) => b.error_rate,
      cell: (b) => <Marked tone={ofErrors(b.error_rate)}>{failed(b.error_rate)}</Marked>,
    },
    { id: "p50", head: "p50", width: 5.5, isNumber: true, isDescending: true, from: 1, key: (b) => b.p50_ms, cell: (b) => ms(b.p50_ms) },
    { id: "p99", head: "p99", width: 5.5, isNumber: true, isDescending: true, key: (b) => b.p99_ms, cell: (b) => ms(b.p99_ms) },
    { id: "curve", head: "p50, 1 min", width: 7.5, from: 2, cell: (_, id) => <Spark points={sparks.points(id)} /> },
    { id: "retries", head: "Retried", width: 5.5, isNumber: true, isDescending: true, from: 3, key: (b) => b.retries, cell: (b) => count(b.retries) },
    { id: "flight", head: "In flight", width: 6, isNumber: true, isDescending: true, from: 1, key: (b) => b.in_flight, cell: inFlight },
    { id: "breaker", head: "Breaker", width: 5.5, from: 2, key: (b) => b.breaker, cell: (b) => <Breaker breaker={b.breaker ?? "closed"} /> },
    { id: "weight", head: "Weight", width: 4.5, isNumber: true, from: 1, isDescending: true, key: (b) => b.weight, cell: (b) => count(b.weight) },
    { id: "zone", head: "Zone", width: 6.5, from: 2, key: (b) => b.zone, cell: (b) => [b.zone, b.backup ? "backup" : ""].filter(Boolean).join(", ") },
    {
      id: "check",
      head: "Last check",
      width: 7,
      from: 3,
      isNumber: true,
      key: (b) => b.last_check?.ms,
      cell: ({ last_check: check }) => check && <Marked tone={check.ok ? "good" : "bad"}>{check.ok ? ms(check.ms) : "failed"}</Marked>,
    },
  ];
  if (mayAct) columns.push({ id: "act", head: "Act", width: 12.5, cell: (backend, id) => <Act service={service} id={id} backend={backend} all={all} /> });
  return columns;
}

function State({ backend: { state, reason, work_share: work } }: { backend: Backend }) {
  const isWell = state === "up";
  const said = [isWell ? "" : reason, work != null && work < 1 && isWell ? `gets ${percent(work)} of its work` : ""].filter(Boolean).join("; ");
  return (
    <>
      <Pill tone={ofBackend(state)}>{state}</Pill>
      {said && (
        <small class="words" title={said}>
          {said}
        </small>
      )}
    </>
  );
}

function inFlight({ in_flight: now, max_connections: most }: Backend): string {
  return most ? `${count(now)} / ${count(most)}` : count(now);
}

function Breaker({ breaker }: { breaker: string }) {
  return <Marked tone={breaker === "open" ? "bad" : breaker === "half_open" ? "warn" : "good"}>{words(breaker)}</Marked>;
}

function Act({ service, id, backend, all }: { service: string; id: string; backend: Backend; all: () => Backends }) {
  const target = () => ({ service, id, backend, isLast: isLast(all(), id) });
  const isOut = backend.by === "operator" && (backend.state === "draining" || backend.state === "disabled");
  const word = isOut ? "enable" : "drain";
  return (
    <span class="acts">
      <ActButton class="small" label={`${word} ${id}`} act={() => command(word, target())}>
        {isOut ? "Enable…" : "Drain…"}
      </ActButton>
      <ActButton class="small" label={`weight of ${id}`} act={() => weight(target())}>
        Weight…
      </ActButton>
    </span>
  );
}

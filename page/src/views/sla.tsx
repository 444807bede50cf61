/** What was promised, and what came of it. */

import { useAnswer } from "../api";
import { availability, budget, clock, count, target } from "../format";
import type { Maybe } from "../live/contract";
import { Heading } from "../parts/heading";
import { Marked } from "../parts/marked";
import { Bar, Pill } from "../parts/pill";
import { to } from "../router";
import { type Column, Table } from "../table/table";
import { type Tone, ofBudget } from "../tone";

export interface Promised {
  tier: Maybe<string>;
  target: number;
  by_time: Maybe<number>;
  by_requests: Maybe<number>;
  failures: Maybe<number>;
  mttr_s: Maybe<number>;
  mtbf_s: Maybe<number>;
  longest_outage_s: Maybe<number>;
  rto_violations: Maybe<number>;
  requests_lost: Maybe<number>;
  error_budget_left: Maybe<number>;
  compliant: Maybe<boolean>;
  state: "up" | "down" | "maintenance";
  maintenance_until: Maybe<string>;
  incident: Maybe<number>;
  burn_rate: Record<string, Maybe<number>>;
  alerts: Maybe<unknown[]>;
  ledger_trouble?: Maybe<string>;
  incidents?: Maybe<Incident[]>;
  budget?: Maybe<{ allowed_s: number; spent_s: number; left_by_time: Maybe<number>; left_by_requests: Maybe<number>; allowed_requests: Maybe<number>; spent_requests: Maybe<number>; exhausted_in_s?: Maybe<number> }>;
  next_maintenance?: Maybe<{ from: string; to: string; rule: string }>;
  promise?: Maybe<{ rto_s: number; mttr_s: number; mtbf_s: number; window: { rolling_s?: number; calendar?: string } }>;
  uptime_s?: Maybe<number>;
  downtime_s?: Maybe<number>;
}

export interface Incident {
  id: number;
  began: string;
  ended: Maybe<string>;
  lasted_s: number;
  down_s: number;
  rto_s: number;
  within_rto: Maybe<boolean>;
  cause: { kind: string; text: string };
  backends: string[];
  requests_lost: number;
  notes: { at: string; who: string; text: string }[];
  ended_by_attempt: Maybe<number>;
}

/** How often the figures, which are those of the ledger, are read anew. */
export const EVERY_MS = 5_000;

export function SlaView() {
  const { value: all, error } = useAnswer<Record<string, Promised>>("/api/v1/sla", EVERY_MS);
  const missed = Object.values(all ?? {}).filter(({ compliant }) => compliant === false).length;
  return (
    <>
      <Heading title="Availability" acts={<Reports />}>
        {all ? (missed > 0 ? `${missed} of ${Object.keys(all).length} promises are not met in their windows` : "Each service in the window of its promise") : (error ?? "Loading…")}
      </Heading>
      {all && (
        <Table
          name="sla"
          what="promises"
          rows={all}
          columns={COLUMNS}
          first="budget"
          text={({ tier, state }, name) => `${name} ${tier ?? ""} ${state}`}
          empty="Nothing is promised of any service. A section [service.NAME.sla] in the configuration makes a promise."
        />
      )}
    </>
  );
}

/** The report in its formats, of all services or of one. */
export function Reports({ service }: { service?: string }) {
  const of = service === undefined ? "" : `&service=${encodeURIComponent(service)}`;
  const formats = [
    ["html", "as a page"],
    ["markdown", "as Markdown"],
    ["csv", "as CSV"],
    ["json", "as JSON"],
  ];
  return (
    <>
      <span class="soft">Report of the last 30 days</span>
      {formats.map(([format, text]) => (
        <a key={format} class="button" href={`/api/v1/sla/report?format=${format}${of}`} target="_blank">
          {text}
        </a>
      ))}
    </>
  );
}

export function stateOf({ state, ledger_trouble: trouble }: Promised): [Tone, string] {
  if (trouble) return ["warn", "ledger trouble"];
  return state === "up" ? ["good", "up"] : state === "down" ? ["bad", "down"] : ["off", "maintenance"];
}

const COLUMNS: Column<Promised>[] = [
  { id: "name", head: "Service", isWide: true, key: (_, name) => name, cell: (_, name) => <a href={to("sla", name)}>{name}</a> },
  { id: "state", head: "Now", width: 10.5, isWide: true, key: ({ state }) => state, cell: (promised) => <Now promised={promised} /> },
  { id: "target", head: "Target", width: 8, isNumber: true, key: ({ target }) => target, cell: (p) => target(p.target) },
  { id: "time", head: "By time", width: 7.5, isNumber: true, key: (p) => p.by_time, cell: (p) => <Met share={p.by_time} target={p.target} /> },
  { id: "requests", head: "By requests", width: 7.5, isNumber: true, key: (p) => p.by_requests, cell: (p) => <Met share={p.by_requests} target={p.target} /> },
  {
    id: "budget",
    head: "Budget left",
    width: 9,
    key: (p) => p.error_budget_left,
    cell: ({ error_budget_left: left }) => left != null && <Bar share={left} text={budget(left)} tone={ofBudget(left)} />,
  },
  { id: "burn", head: "Burn rate, 1 h", width: 7.5, isNumber: true, isDescending: true, from: 1, key: burn, cell: (p) => <Burn rate={burn(p)} /> },
  { id: "incidents", head: "Incidents", width: 6, isNumber: true, isDescending: true, key: (p) => p.failures, cell: (p) => count(p.failures) },
  { id: "rto", head: "Over RTO", width: 6, isNumber: true, isDescending: true, from: 1, key: (p) => p.rto_violations, cell: (p) => count(p.rto_violations) },
  { id: "lost", head: "Requests lost", width: 7.5, isNumber: true, isDescending: true, from: 2, key: (p) => p.requests_lost, cell: (p) => count(p.requests_lost) },
];

function Now({ promised }: { promised: Promised }) {
  const [tone, word] = stateOf(promised);
  const until = promised.state === "maintenance" && promised.maintenance_until;
  return (
    <>
      <Pill tone={tone}>{word}</Pill>
      {until && <small class="soft">until {clock(until)}</small>}
    </>
  );
}

function Met({ share, target }: { share: Maybe<number>; target: number }) {
  return <Marked tone={share != null && share < target ? "bad" : "good"}>{availability(share)}</Marked>;
}

function burn({ burn_rate: rates }: Promised): Maybe<number> {
  return rates?.["1h"];
}

/** A burn rate of 1 spends exactly the budget in the window; from 14.4 on over an hour somebody is woken. */
function Burn({ rate }: { rate: Maybe<number> }) {
  const text = rate == null ? "–" : rate.toLocaleString("en", { maximumSignificantDigits: 3 });
  return <Marked tone={rate == null || rate < 1 ? "good" : rate < 14.4 ? "warn" : "bad"}>{text}</Marked>;
}

/** The promise of one service: its days, its budget, its incidents. */

import { tell } from "../acts/act";
import { ActButton } from "../acts/button";
import { beginMaintenance } from "../acts/catalogue";
import { mayAct, order, useAnswer } from "../api";
import { availability, budget, clock, count, duration, few, target } from "../format";
import { Heading } from "../parts/heading";
import { Figure, Pill } from "../parts/pill";
import { to } from "../router";
import { type Tone, ofBudget } from "../tone";
import { BudgetCurve, type Day, Days } from "./days";
import { EVERY_MS, type Incident, type Promised, Reports, stateOf } from "./sla";

interface Report {
  services: Record<string, { days: Day[] }>;
}

/** The days change once a day, and that of today little by little. */
const DAYS_MS = 60_000;

export function PromiseView({ name }: { name: string }) {
  const { value: all, error, reload } = useAnswer<Record<string, Promised>>("/api/v1/sla", EVERY_MS);
  const { value: report } = useAnswer<Report>(`/api/v1/sla/report?format=json&last=90d&service=${encodeURIComponent(name)}`, DAYS_MS);
  const promised = all?.[name];
  const path: [string, string][] = [
    ["Availability", to("sla")],
    [name, to("service", name)],
  ];
  if (!promised) {
    return <Heading title={`Promise of ${name}`} path={path}>{all ? `Nothing is promised of ${name}: it has no sla section` : (error ?? "Loading…")}</Heading>;
  }
  const [tone, word] = stateOf(promised);
  const days = report?.services[name]?.days ?? [];
  return (
    <>
      <Heading title={`Promise of ${name}`} path={path} acts={<PromiseActs name={name} />}>
        <Pill tone={tone}>{word}</Pill> {promised.compliant === false && <Pill tone="bad">below target</Pill>}
        {promised.compliant === false ? "The target is not met in the window." : promised.compliant ? "The target is met in the window." : ""}
        {promised.maintenance_until ? ` In maintenance until ${clock(promised.maintenance_until)}.` : ""}
        {promised.ledger_trouble ? ` ${promised.ledger_trouble}` : ""}
      </Heading>
      <Figures promised={promised} />
      {days.length > 0 && (
        <section aria-labelledby="days">
          <h2 id="days">{days.length === 1 ? "Today" : `The last ${days.length} days`}</h2>
          <Days days={days} />
          {promised.budget && days.length > 1 && <BudgetCurve days={days} allowed={promised.budget} />}
        </section>
      )}
      <Incidents incidents={promised.incidents ?? []} reload={reload} />
    </>
  );
}

function PromiseActs({ name }: { name: string }) {
  return (
    <>
      <Reports service={name} />
      <ActButton act={() => beginMaintenance(name)}>Maintenance…</ActButton>
    </>
  );
}

function Figures({ promised: p }: { promised: Promised }) {
  const low = (share: number | null | undefined) => (share != null && share < p.target ? "bad" : "good");
  const window = p.promise?.window;
  const next = p.next_maintenance;
  return (
    <dl class="figures long-notes">
      <Figure label="Target" value={target(p.target)} note={[p.tier, window?.calendar ?? (window?.rolling_s ? duration(window.rolling_s) : "")].filter(Boolean).join(", ")} />
      <Figure label="By time" value={availability(p.by_time)} tone={low(p.by_time)} />
      <Figure label="By requests" value={availability(p.by_requests)} tone={low(p.by_requests)} />
      <Figure label="Budget left by time" value={budget(p.budget?.left_by_time)} tone={ofBudget(p.budget?.left_by_time)} note={p.budget ? `${duration(p.budget.spent_s)} of ${duration(p.budget.allowed_s)} spent` : ""} />
      <Figure label="Budget left by requests" value={budget(p.budget?.left_by_requests)} tone={ofBudget(p.budget?.left_by_requests)} note={p.budget?.allowed_requests != null ? `${count(p.budget.spent_requests)} of ${few(p.budget.allowed_requests)} spent` : ""} />
      <Figure label="Budget used up" {...usedUp(p.budget?.exhausted_in_s)} />
      <Figure label="Incidents" value={count(p.failures)} />
      <Figure label="Mean time to repair" value={duration(p.mttr_s)} />
      <Figure label="Mean time between failures" value={duration(p.mtbf_s)} />
      <Figure label="Longest outage" value={duration(p.longest_outage_s)} />
      <Figure label="Over RTO" value={count(p.rto_violations)} tone={(p.rto_violations ?? 0) > 0 ? "bad" : "good"} />
      <Figure label="Requests lost" value={count(p.requests_lost)} />
      {next && <Figure label="Next maintenance" value={clock(next.from)} note={next.rule} />}
    </dl>
  );
}

/** A budget that is used up sooner is marked. */
const SOON_S = 86_400;

/** When the budget is used up, if it goes on to burn as in the last hour. */
function usedUp(seconds: number | null | undefined): { value: string; tone: Tone; note: string } {
  if (seconds != null && seconds <= 0) return { value: "already", tone: "bad", note: "more is spent than there was" };
  const note = "at the rate of the last hour";
  if (seconds == null) return { value: "not soon", tone: "good", note };
  return { value: `in ${duration(seconds)}`, tone: seconds < SOON_S ? "warn" : "good", note };
}

function Incidents({ incidents, reload }: { incidents: Incident[]; reload: () => void }) {
  return (
    <section aria-labelledby="incidents">
      <h2 id="incidents">Incidents</h2>
      {incidents.length === 0 && <p class="empty">None in the window.</p>}
      <ul class="cards">
        {incidents.toReversed().map((incident) => (
          <IncidentCard key={incident.id} incident={incident} reload={reload} />
        ))}
      </ul>
    </section>
  );
}

function IncidentCard({ incident, reload }: { incident: Incident; reload: () => void }) {
  const { id, began, ended, lasted_s: lasted, within_rto: isWithin, cause, backends, requests_lost: lost, notes, ended_by_attempt: attempt } = incident;
  const tone = !ended ? "bad" : isWithin === false ? "warn" : "off";
  return (
    <li class={`card ${tone}`}>
      <p class="card-head">
        <Pill tone={tone}>{!ended ? "under way" : isWithin === false ? "over RTO" : "over"}</Pill>
        <b>Incident {id}</b>
        <span>{cause.text}</span>
        <span class="soft">
          {clock(began)}, {duration(lasted)} · {count(lost)} requests lost
          {backends.length > 0 ? ` · ${backends.join(", ")}` : ""}
        </span>
        {attempt != null && <a href={to("recoveries", String(attempt))}>ended by attempt {attempt}</a>}
      </p>
      {notes.map(({ at, who, text }) => (
        <p key={at} class="note">
          {text}{" "}
          <span class="soft">
            {who}, {clock(at)}
          </span>
        </p>
      ))}
      {mayAct && (
        <details>
          <summary>Add a note</summary>
          <Note incident={id} reload={reload} />
        </details>
      )}
    </li>
  );
}

function Note({ incident, reload }: { incident: number; reload: () => void }) {
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get("text") ?? "").trim();
    if (!text) return;
    try {
      await order("POST", `/api/v1/sla/incidents/${incident}/note`, { text });
      form.reset();
      tell(`Noted for incident ${incident}`);
      reload();
    } catch (problem) {
      tell((problem as Error).message, undefined, true);
    }
  };
  return (
    <form class="row" onSubmit={send}>
      <label>
        <span class="hidden">Note for incident {incident}</span>
        <input name="text" placeholder="A note; it can't be changed later" autocomplete="off" />
      </label>
      <button class="small">Add</button>
    </form>
  );
}

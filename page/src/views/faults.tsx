/** What detection has found: the faults that hold, and those of late. */

import { useAnswer } from "../api";
import { ago, clock, duration, percent, words } from "../format";
import type { Maybe } from "../live/contract";
import { Heading } from "../parts/heading";
import { Pill } from "../parts/pill";
import { to } from "../router";

interface FoundFault {
  service: string;
  backend: Maybe<string>;
  scope: string;
  name: Maybe<string>;
  fault: string;
  text: string;
  confidence: number;
  votes: { detector: string; fault: string; confidence: number; reason: string }[];
  since: string;
  until: Maybe<string>;
  held_s: number;
  action: Maybe<string>;
}

const EVERY_MS = 2_000;

export function FaultsView() {
  const { value: all, error } = useAnswer<FoundFault[]>("/api/v1/faults", EVERY_MS);
  const now = all?.filter(({ until }) => !until) ?? [];
  const past = all?.filter(({ until }) => until) ?? [];
  return (
    <>
      <Heading title="Faults">
        {all ? (now.length === 0 ? "Nothing is found wrong now" : `${now.length} ${now.length === 1 ? "fault holds" : "faults hold"} now`) : (error ?? "Loading…")}
      </Heading>
      <Cards faults={now} />
      {past.length > 0 && (
        <section aria-labelledby="past">
          <h2 id="past">Of late</h2>
          <Cards faults={past} />
        </section>
      )}
    </>
  );
}

function Cards({ faults }: { faults: FoundFault[] }) {
  return (
    <ul class="cards">
      {faults.map((fault) => (
        <Card key={`${fault.service} ${fault.backend} ${fault.fault} ${fault.since}`} fault={fault} />
      ))}
    </ul>
  );
}

function Card({ fault }: { fault: FoundFault }) {
  const { service, backend, scope, name, text, confidence, votes, since, until, held_s: held, action } = fault;
  const whom = scope === "backend" ? `${service}/${backend}` : scope === "service" ? service : `${scope} ${name} of ${service}`;
  return (
    <li class={`card ${until ? "off" : "bad"}`}>
      <p class="card-head">
        <Pill tone={until ? "good" : "bad"}>{until ? "over" : words(fault.fault)}</Pill>
        <a href={backend ? to("service", service, backend) : to("service", service)}>{whom}</a> <span>{text}</span>
        <span class="soft">
          {until ? `${words(fault.fault)} · ${clock(since)}, for ${duration(held)}` : `since ${clock(since)} (${ago(since, Date.now())})`} · {percent(confidence)} sure
          {action ? ` · ${action}` : ""}
        </span>
      </p>
      <ul class="votes">
        {votes.map((vote) => (
          <li key={vote.detector + vote.fault}>
            <b>{words(vote.detector)}</b> {vote.reason} <span class="soft">({percent(vote.confidence)})</span>
          </li>
        ))}
      </ul>
    </li>
  );
}

/** One service: how it stands, its last hour, its backends, and how its algorithm chooses. */

import { tell } from "../acts/act";
import { ActButton } from "../acts/button";
import { beginMaintenance, endMaintenance } from "../acts/catalogue";
import { get } from "../api";
import { budget, clock, count, failed, ms, percent, rate, words } from "../format";
import { details, faults, recoveries, services } from "../live/store";
import type { Service } from "../live/contract";
import { LastHour } from "../parts/chart";
import { Heading } from "../parts/heading";
import { Figure, Pill } from "../parts/pill";
import { to } from "../router";
import { ofBudget, ofErrors, ofFault, ofHealthy, ofService } from "../tone";
import { AttemptCard } from "./attempts";
import { Backends } from "./backends";
import { Picks } from "./picks";
import { RingSection } from "./ring";
import { ShadowSection } from "./shadow";

export function ServiceView({ name }: { name: string }) {
  const service = services.value?.[name];
  if (!service || details.value === null) {
    return (
      <>
        <Heading title={name} path={[["Overview", to()]]} />
        <p class="empty">There is no service “{name}”. A reload may have taken it away.</p>
      </>
    );
  }
  const { tone, word, words } = ofService(service);
  return (
    <>
      <Heading title={name} path={[["Overview", to()]]} acts={<Buttons name={name} service={service} />}>
        <Pill tone={tone}>{word}</Pill> {words}
      </Heading>
      <Concerns name={name} />
      <Figures service={service} />
      <section aria-labelledby="hour">
        <h2 id="hour">The last hour</h2>
        <LastHour service={name} />
      </section>
      <section aria-labelledby="backends">
        <h2 id="backends">Backends</h2>
        {details.value ? <Backends service={name} backends={details.value.backends} /> : <p class="empty">Loading…</p>}
      </section>
      {details.value && <ShadowSection service={name} details={details.value} />}
      {service.balance === "consistent_hash" && <RingSection service={name} />}
      <Picks key={name} service={name} />
    </>
  );
}

/** What is wrong with it and what is done about that. */
function Concerns({ name }: { name: string }) {
  const wrong = Object.entries(faults.value ?? {}).filter(([, fault]) => fault.service === name);
  const repairs = Object.entries(recoveries.value ?? {}).filter(([, attempt]) => attempt.service === name);
  if (wrong.length + repairs.length === 0) return null;
  return (
    <section aria-labelledby="concerns">
      <h2 id="concerns">Faults and repairs</h2>
      <ul class="troubles">
        {wrong.map(([id, fault]) => (
          <li key={id} class={`trouble ${ofFault(fault)}`}>
            <Pill tone={ofFault(fault)}>{words(fault.fault)}</Pill>
            {fault.backend ? (
              <a class="name" href={to("service", name, fault.backend)}>
                {fault.backend}
              </a>
            ) : (
              <span class="name">the whole service</span>
            )}
            <span class="words">{fault.text}</span>
            <span class="facts">{percent(fault.confidence)} sure</span>
          </li>
        ))}
        {repairs.map(([id, attempt]) => (
          <li key={id}>
            <AttemptCard id={id} attempt={attempt} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Figures({ service: s }: { service: Service }) {
  return (
    <dl class="figures">
      <Figure label="Requests a second" value={rate(s.rate)} />
      <Figure label="Failed" value={failed(s.error_rate)} tone={ofErrors(s.error_rate)} />
      <Figure label="p50" value={ms(s.p50_ms)} />
      <Figure label="p90" value={ms(s.p90_ms)} />
      <Figure label="p99" value={ms(s.p99_ms)} />
      <Figure label="In flight" value={count(s.in_flight)} />
      <Figure label="Waiting" value={count(s.waiting)} tone={s.waiting > 0 ? "warn" : "good"} />
      <Figure label="Retries a second" value={rate(s.retry_rate)} />
      <Figure label="Backends in use" value={`${s.healthy} of ${s.total}`} tone={ofHealthy(s.healthy, s.total)} {...(s.panic ? { note: "panic: health is ignored" } : {})} />
      <Figure label="Budget left" value={budget(s.budget_left)} tone={ofBudget(s.budget_left)} />
    </dl>
  );
}

function Buttons({ name, service }: { name: string; service: Service }) {
  const end = async () => {
    const path = `/api/v1/services/${encodeURIComponent(name)}/maintenance`;
    const running = await get<{ until: string; reason: string; rule?: string } | null>(path).catch(() => null);
    // what the configuration plans can't be ended from here
    if (running?.rule) {
      tell(`The configuration plans this maintenance until ${clock(running.until)} (${running.rule}). Who wants to end it sooner takes it out of the file and reloads.`);
      return undefined;
    }
    return endMaintenance(name, running ?? undefined);
  };
  return (
    <>
      <span class="soft">
        {words(service.balance)}
        {details.value?.protocol ? ` · ${details.value.protocol}` : ""}
      </span>
      {service.maintenance ? <ActButton act={end}>End maintenance…</ActButton> : <ActButton act={() => beginMaintenance(name)}>Maintenance…</ActButton>}
      <a class="button" href={to("events", name)}>
        Events
      </a>
      <a class="button" href={to("sla", name)}>
        Availability
      </a>
    </>
  );
}

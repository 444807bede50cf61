/** One backend: how it stands and why, and everything that happened to it. */

import { useState } from "preact/hooks";
import { ActButton } from "../acts/button";
import { command, weight } from "../acts/catalogue";
import { useAnswer } from "../api";
import { NOTHING, ago, clock, count, failed, ms, percent, rate, words } from "../format";
import { details } from "../live/store";
import type { Backend } from "../live/contract";
import { Heading } from "../parts/heading";
import { Figure, Pill } from "../parts/pill";
import { to } from "../router";
import { MEANING, ofBackend, ofErrors } from "../tone";
import { USABLE, isLast } from "./backends";
import type { Event } from "./event";
import { Timeline } from "./timeline";
import { type Why, WhyShown } from "./why";

/** How often the answer to "why?" is asked for anew while it is about the present. */
const EVERY_MS = 5_000;
/** What was at a time in the past does not change. */
const NEVER_MS = 3_600_000;

export function BackendView({ service, id }: { service: string; id: string }) {
  const [at, setAt] = useState<string>();
  const query = new URLSearchParams({ service, backend: id, ...(at ? { at } : {}) });
  const answer = useAnswer<Why>(`/api/v1/why?${query}`, at ? NEVER_MS : EVERY_MS);
  const now = useAnswer<Why>(`/api/v1/why?${new URLSearchParams({ service, backend: id })}`, EVERY_MS);
  // a server that can't answer why still tells what happened
  const events = useAnswer<Event[]>(now.error ? `/api/v1/events?${new URLSearchParams({ service, backend: id, limit: "200" })}` : undefined, EVERY_MS);
  const timeline = now.value?.timeline ?? events.value?.toReversed();
  const backend = details.value?.backends[id];
  const ask = (time: string) => {
    setAt(time);
    document.getElementById("why")?.scrollIntoView({ block: "center" });
  };
  const path: [string, string][] = [
    ["Overview", to()],
    [service, to("service", service)],
  ];
  if (!backend) {
    return (
      <>
        <Heading title={id} path={path} />
        <p class="empty">{details.value === undefined ? "Loading…" : `${service} has no backend “${id}” now. It may have been removed.`}</p>
        {timeline && <Timeline events={timeline} at={at} ask={ask} />}
      </>
    );
  }
  return (
    <>
      <Heading title={id} path={path} acts={<Buttons service={service} id={id} backend={backend} />}>
        <Pill tone={ofBackend(backend.state)}>{backend.state}</Pill> {(backend.state !== "up" && backend.reason) || MEANING[backend.state]}
        {" "}
        <span class="soft since">
          · by {words(backend.by)}, since {clock(backend.since)} ({ago(backend.since, Date.now())})
        </span>
      </Heading>
      <Figures backend={backend} />
      <section aria-labelledby="why">
        <h2 id="why">{at ? `Why it was ${answer.value?.state ?? "so"} at ${clock(at)}` : `Why it is ${backend.state}`}</h2>
        {at && (
          <p class="back">
            <button type="button" onClick={() => setAt(undefined)}>
              Back to now
            </button>
          </p>
        )}
        {answer.value ? <WhyShown why={answer.value} /> : <p class="empty">{answer.error ?? "Loading…"}</p>}
      </section>
      {timeline && <Timeline events={timeline} at={at} ask={ask} />}
    </>
  );
}

function Buttons({ service, id, backend }: { service: string; id: string; backend: Backend }) {
  const target = () => ({ service, id, backend, isLast: isLast(details.value?.backends ?? {}, id) });
  const isOut = backend.state === "draining" || backend.state === "disabled";
  return (
    <>
      <span class="soft">
        {backend.address}
        {backend.zone ? ` · zone ${backend.zone}` : ""}
        {backend.backup ? " · backup" : ""}
      </span>
      {backend.state !== "draining" && <ActButton act={() => command("drain", target())}>Drain…</ActButton>}
      {backend.state !== "disabled" && <ActButton act={() => command("disable", target())}>Disable…</ActButton>}
      {isOut && (
        <ActButton class="primary" act={() => command("enable", target())}>
          Enable…
        </ActButton>
      )}
      <ActButton act={() => weight(target())}>Weight…</ActButton>
    </>
  );
}

function Figures({ backend: b }: { backend: Backend }) {
  const check = b.last_check;
  return (
    <dl class="figures">
      <Figure label="Requests a second" value={rate(b.rate)} />
      <Figure label="Share" value={percent(b.share)} />
      <Figure label="Failed" value={failed(b.error_rate)} tone={ofErrors(b.error_rate)} />
      <Figure label="p50" value={ms(b.p50_ms)} />
      <Figure label="p99" value={ms(b.p99_ms)} />
      {b.retries != null && <Figure label="Retried elsewhere" value={count(b.retries)} />}
      <Figure label="Latency, as balanced" value={USABLE.has(b.state) ? ms(b.latency_ms) : NOTHING} note="failures add to it" />
      <Figure label="In flight" value={b.max_connections ? `${count(b.in_flight)} of ${count(b.max_connections)}` : count(b.in_flight)} />
      <Figure label="Weight" value={count(b.weight)} note={b.work_share != null && b.work_share < 1 ? `gets ${percent(b.work_share)} of its work` : "gets all of its work"} />
      <Figure label="Breaker" value={words(b.breaker ?? "closed")} tone={b.breaker === "open" ? "bad" : b.breaker === "half_open" ? "warn" : "good"} />
      {check && <Figure label="Last check" value={check.ok ? ms(check.ms) : "failed"} tone={check.ok ? "good" : "bad"} note={check.reason || (check.ok ? "passed" : "no reason is known")} />}
      {b.cpu != null && <Figure label="CPU" value={percent(b.cpu)} />}
      {b.memory != null && <Figure label="Memory" value={percent(b.memory)} />}
    </dl>
  );
}

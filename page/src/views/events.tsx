/** What happens, the newest first, as it happens. */

import { useState } from "preact/hooks";
import { count, words } from "../format";
import { services } from "../live/store";
import { Heading } from "../parts/heading";
import { memo } from "../parts/memo";
import { to } from "../router";
import { Cause, type Event, Subject, When } from "./event";
import { type Wanted, useEvents } from "./event-feed";

/** Kinds of events as the server takes them: it knows some groups, with a star, and the names of all others. */
const KINDS: [pattern: string, text: string][] = [
  ["backend_*", "backends"],
  ["service_down,service_up,panic_began,panic_ended", "services"],
  ["fault_raised,fault_cleared,detector_left_out", "faults"],
  ["recovery_*", "recoveries"],
  ["operator*", "operators"],
  ["incident_*,rto_exceeded,budget_*,maintenance_*", "availability"],
  ["config_*", "the configuration"],
  ["discovery_*", "discovery"],
  ["certificate_*", "certificates"],
  ["listener_*", "listeners"],
  ["ledger_*,clock_jumped,process_*", "this process"],
];

export function EventsView({ service }: { service: string | undefined }) {
  const [level, setLevel] = useState("");
  const [kind, setKind] = useState("");
  const wanted: Wanted = { level, kind, service: service ?? "" };
  const feed = useEvents(wanted);
  return (
    <>
      <Heading title="Events">What happens to listeners, services, backends and the configuration, the newest first</Heading>
      <div class="table-tools">
        <label>
          Level{" "}
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value)}>
            <option value="">all</option>
            <option value="warn">warnings and errors</option>
            <option value="error">errors</option>
          </select>
        </label>
        <ServiceChoice service={service ?? ""} />
        <label>
          About{" "}
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            <option value="">everything</option>
            {KINDS.map(([pattern, text]) => (
              <option key={pattern} value={pattern}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {feed.held > 0 && (
          <button type="button" class="primary" onClick={feed.release}>
            Show {count(feed.held)} new
          </button>
        )}
      </div>
      {feed.error && <p class="problem">{feed.error}</p>}
      {feed.missed > 0 && <p class="problem">{count(feed.missed)} events came so fast that they are not kept any more</p>}
      {feed.events.length === 0 && !feed.error && <p class="empty">{feed.isLoaded ? "Nothing of this has happened, as far as the events that are kept go back." : "Loading…"}</p>}
      <ol class="timeline events">
        {feed.events.map((event) => (
          <Line key={event.id} event={event} />
        ))}
      </ol>
      {feed.older && (
        <p>
          <button type="button" onClick={feed.older}>
            Older ones
          </button>
        </p>
      )}
    </>
  );
}

/** The service is a part of the address, so that a link leads to its events. */
function ServiceChoice({ service }: { service: string }) {
  const names = Object.keys(services.value ?? {});
  return (
    <label>
      Service{" "}
      <select value={service} onChange={(event) => (location.hash = event.currentTarget.value ? to("events", event.currentTarget.value) : to("events"))}>
        <option value="">all</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export const Line = memo(function Line({ event }: { event: Event }) {
  return (
    <li>
      <When time={event.time} level={event.level} />
      <div class="what">
        <Subject event={event} /> <span class="text">{event.text}</span> <span class="soft">{words(event.kind)}</span>
        <Cause title="Figures" cause={event.cause} />
      </div>
    </li>
  );
});

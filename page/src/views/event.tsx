/** An event, and everything that it tells. */

import { useState } from "preact/hooks";
import { NOTHING, clock, words } from "../format";
import type { Maybe } from "../live/contract";
import { Sign } from "../parts/pill";
import { to } from "../router";
import { ofLevel } from "../tone";

export interface Event {
  id: number;
  time: string;
  kind: string;
  level: string;
  service?: Maybe<string>;
  backend?: Maybe<string>;
  text: string;
  cause?: Maybe<Record<string, unknown>>;
}

export function Subject({ event: { service, backend } }: { event: Event }) {
  if (!service) return <span class="soft">this process</span>;
  if (!backend) return <a href={to("service", service)}>{service}</a>;
  return (
    <a href={to("service", service, backend)}>
      {service}/{backend}
    </a>
  );
}

export function When({ time, level }: { time: string; level: string }) {
  return (
    <span class="when">
      {level === "info" ? <span class="no-sign" /> : <Sign tone={ofLevel(level)} />}
      <span class="hidden">{level}</span>
      <time dateTime={time}>{clock(time)}</time>
    </span>
  );
}

/** The cause of an event, to be opened. What is in it is drawn only then: there are hundreds of events on a page. */
export function Cause({ title, cause }: { title: string; cause: Event["cause"] }) {
  const [isOpen, setOpen] = useState(false);
  if (!cause || Object.keys(cause).length === 0) return null;
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && <Members cause={cause} />}
    </details>
  );
}

function Members({ cause }: { cause: Record<string, unknown> }) {
  return (
    <dl class="cause">
      {Object.entries(cause)
        .filter(([, value]) => value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>{shown(value)}</dd>
          </div>
        ))}
    </dl>
  );
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? NOTHING : value.map(shown).join("; ");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value)
      .filter(([, member]) => member !== null && member !== "")
      .map(([name, member]) => `${words(name)} ${shown(member)}`)
      .join(", ");
  }
  return String(value);
}

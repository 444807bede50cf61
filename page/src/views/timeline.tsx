/** Everything that happened to a backend, the newest first. Each entry can be asked why. */

import { words } from "../format";
import { Cause, type Event, When } from "./event";

interface Props {
  events: Event[];
  /** The time that is asked about. */
  at: string | undefined;
  ask: (time: string) => void;
}

export function Timeline({ events, at, ask }: Props) {
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">What happened to it</h2>
      {events.length === 0 && <p class="empty">Nothing, as far as the events that are kept go back.</p>}
      <ol class="timeline">
        {events.map((event) => (
          <li key={event.id} class={event.time === at ? "asked" : ""}>
            <When time={event.time} level={event.level} />
            <div class="what">
              <span class="text">{event.text}</span> <span class="soft">{words(event.kind)}</span>
              <Cause title="Figures and votes" cause={event.cause} />
            </div>
            <button type="button" class="small" aria-label={`Why, at ${event.time}`} aria-pressed={event.time === at} onClick={() => ask(event.time)}>
              Why?
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

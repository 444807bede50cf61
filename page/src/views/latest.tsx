/** The latest events, beside the overview on a screen that is wide enough. */

import { to } from "../router";
import { Line } from "./events";
import { useEvents } from "./event-feed";

/** So many fill the height of such a screen. */
const SHOWN = 24;
const ALL = { level: "", kind: "", service: "" };

export function Latest() {
  const { events, error, isLoaded } = useEvents(ALL);
  return (
    <aside aria-labelledby="latest">
      <h2 id="latest">
        <a href={to("events")}>Latest events</a>
      </h2>
      {error && <p class="problem">{error}</p>}
      {events.length === 0 && !error && <p class="empty">{isLoaded ? "Nothing has happened, as far as the events that are kept go back." : "Loading…"}</p>}
      <ol class="timeline">
        {events.slice(0, SHOWN).map((event) => (
          <Line key={event.id} event={event} />
        ))}
      </ol>
    </aside>
  );
}

/** How well the page is connected. */

import { useEffect, useState } from "preact/hooks";
import { clock } from "../format";
import { about, link, phase, retry } from "../live/store";
import { Sign } from "./pill";

export function LinkState() {
  const [version, started, generation] = about.value?.split("\n") ?? [];
  const { kind } = link.value;
  const title = version ? `version ${version}, since ${clock(started)}, configuration ${generation}` : "";
  const word = kind === "live" ? (phase.value === "draining" ? "draining" : "live") : kind === "loading" ? "loading" : kind === "stale" ? "stale" : "disconnected";
  const tone = kind === "live" ? "good" : kind === "loading" ? "busy" : kind === "stale" ? "warn" : "bad";
  return (
    <span class="link" title={title}>
      <Sign tone={tone} /> {word}
      {version && <span class="soft version"> {version}</span>}
    </span>
  );
}

/** Says that what is shown is not of now, since when, and when it is tried again. */
export function LinkBanner() {
  const state = link.value;
  if (state.kind === "live" || state.kind === "loading") return null;
  if (state.kind === "stale") {
    return (
      <div class="banner warn" role="alert">
        <Sign tone="warn" /> The server does not answer; last seen {clock(state.since)}. What is shown is of then.
      </div>
    );
  }
  return (
    <div class="banner bad" role="alert">
      <Sign tone="bad" /> Disconnected: {state.why}. Last seen {clock(state.since)}. <Countdown to={state.retryAt} />
      <button type="button" onClick={retry}>
        Try now
      </button>
    </div>
  );
}

/** It is hidden from screen readers, which would read out each second. */
function Countdown({ to }: { to: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((to - now) / 1000));
  return <span aria-hidden="true">{seconds > 0 ? `The next try is in ${seconds} s.` : "Trying…"} </span>;
}

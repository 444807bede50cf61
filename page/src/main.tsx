/** The page: what stands on every view, and which view is shown. */

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ActDialog, Toasts } from "./acts/dialog";
import { csrf, mayAct, order } from "./api";
import { isKnown, link, start } from "./live/store";
import { ClusterState } from "./parts/cluster";
import { LinkBanner, LinkState } from "./parts/link";
import { follow, place, to } from "./router";
import { BackendView } from "./views/backend";
import { EventsView } from "./views/events";
import { FaultsView } from "./views/faults";
import { CertificatesView, ListenersView, RoutesView } from "./views/inventory";
import { Overview } from "./views/overview";
import { PromiseView } from "./views/promise";
import { RecoveriesView } from "./views/recoveries";
import { RecoveryView } from "./views/recovery";
import { ServiceView } from "./views/service";
import { SlaView } from "./views/sla";
import { announcement, troubleCount, verdict } from "./views/trouble";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/table.css";
import "./style/views.css";

const VIEWS: [view: string, text: string][] = [
  ["", "Overview"],
  ["events", "Events"],
  ["faults", "Faults"],
  ["recoveries", "Recoveries"],
  ["sla", "Availability"],
  ["routes", "Routes"],
  ["listeners", "Listeners"],
  ["certificates", "Certificates"],
];

function Page() {
  const isStale = link.value.kind === "stale" || link.value.kind === "lost";
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        To the content
      </a>
      <Header />
      <LinkBanner />
      <main id="main" class={isStale ? "stale" : ""}>
        {isKnown.value ? <View /> : <p class="empty loading">Loading…</p>}
      </main>
      <ActDialog />
      <Toasts />
      <Announcer />
    </>
  );
}

/** A link to `#main` would be taken for the address of a view. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("h1")?.focus();
}

function Header() {
  const { view } = place.value;
  const views = useRef<HTMLElement>(null);
  // on a phone not all of them have room; the present one is to be seen
  useEffect(() => {
    const link = views.current?.querySelector<HTMLElement>("[aria-current]");
    if (views.current && link) views.current.scrollLeft = link.offsetLeft - views.current.offsetLeft - 48;
  }, [view]);
  const current = view === "service" ? "" : view;
  return (
    <header>
      <a class="brand" href={to()}>
        Evenkeel
      </a>
      <nav ref={views} aria-label="Views">
        {VIEWS.map(([name, text]) => (
          <a key={name} href={to(name)} {...(current === name ? { "aria-current": "page" as const } : {})}>
            {text}
            {name === "" && troubleCount.value > 0 && (
              <span class={`badge ${verdict.value.tone}`}>
                {troubleCount.value}
                <span class="hidden"> in trouble</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      {!mayAct && (
        <span class="soft read-only" title="Your token may only read. Who changes something needs one with access = &quot;write&quot;.">
          read only
        </span>
      )}
      <ClusterState />
      <LinkState />
      {csrf && (
        <button type="button" class="plain" onClick={() => void order("POST", "/logout").then(() => location.reload())}>
          Log out
        </button>
      )}
    </header>
  );
}

function View() {
  const { view, rest } = place.value;
  const [first, second] = rest;
  switch (view) {
    case "":
      return <Overview />;
    case "service":
      if (first === undefined) return <Overview />;
      return second === undefined ? <ServiceView key={first} name={first} /> : <BackendView key={`${first} ${second}`} service={first} id={second} />;
    case "events":
      return <EventsView service={first} />;
    case "faults":
      return <FaultsView />;
    case "recoveries":
      return first === undefined ? <RecoveriesView /> : <RecoveryView key={first} id={first} />;
    case "sla":
      return first === undefined ? <SlaView /> : <PromiseView key={first} name={first} />;
    case "routes":
      return <RoutesView />;
    case "listeners":
      return <ListenersView />;
    case "certificates":
      return <CertificatesView />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>Nothing here</h1>
          <p class="empty">There is no view “{view}”.</p>
        </>
      );
  }
}

/** How long what is wrong has to stay the same before it is read out: who listens must not be talked over each second. */
const SETTLED_MS = 2_000;

/** Tells a screen reader what is wrong when that changes, and shows it in the title of the tab. */
function Announcer() {
  const count = troubleCount.value;
  const said = announcement.value;
  const [announced, setAnnounced] = useState("");
  const known = isKnown.value;
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = count > 0 ? `(${count}) Evenkeel` : "Evenkeel";
    if (!known) return;
    const timer = setTimeout(() => setAnnounced(said), isFirst.current ? 0 : SETTLED_MS);
    isFirst.current = false;
    return () => clearTimeout(timer);
  }, [said, known]);
  return (
    <div class="hidden" role="status" id="announcer">
      {announced}
    </div>
  );
}

/** `/` leads to the filter of the view, unless one is writing. */
function onKey(event: KeyboardEvent): void {
  const isWriting = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
  if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  const filter = document.querySelector<HTMLInputElement>(".filter input");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
  filter.select();
}

addEventListener("keydown", onKey);
follow();
start();
const root = document.getElementById("page")!;
root.replaceChildren();
render(<Page />, root);

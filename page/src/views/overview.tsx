/** The first view: what is wrong, then the traffic, then all services. */

import { pause, resume } from "../acts/catalogue";
import { ActButton } from "../acts/button";
import { useAnswer } from "../api";
import { budget, clock, count, date, failed, ms, rate } from "../format";
import { certificatesRefused, recovery, reloadRefused, services } from "../live/store";
import type { RefusedFile, Service } from "../live/contract";
import { LastHour } from "../parts/chart";
import { Marked } from "../parts/marked";
import { useMedia } from "../parts/media";
import { type Root, memo } from "../parts/memo";
import { Bar, Figure, Pill, Sign } from "../parts/pill";
import { to } from "../router";
import { type Column, Table } from "../table/table";
import { ORDER, ofBudget, ofCertificate, ofErrors, ofHealthy, ofService } from "../tone";
import { AttemptCard } from "./attempts";
import type { Certificate } from "./inventory";
import { Latest } from "./latest";
import { HeldBack, type State, isHeldBack } from "./recoveries";
import { type Trouble, isPaused, noLeader, spentBudgets, troubles, verdict, waiting } from "./trouble";

/** So many troubles are listed above the traffic; the table below has all of them. */
const FIRST = 6;
/** A screen on a wall, which has room for what has happened, too. */
const WALL = "(min-width: 2400px)";
/** Certificates are read at reloads only. */
const CERTIFICATES_MS = 60_000;
/** What holds repairs back is not in the live document. */
const RECOVERY_MS = 3_000;

export function Overview() {
  const isWall = useMedia(WALL);
  return (
    <div class={isWall ? "wall" : "column"}>
      <div class="column">
        <Verdict />
        <Troubles />
        <section aria-labelledby="traffic">
          <h2 id="traffic">Traffic</h2>
          <Totals />
          <LastHour />
        </section>
        <section aria-labelledby="services">
          <h2 id="services">Services</h2>
          <Services />
        </section>
      </div>
      {isWall && <Latest />}
    </div>
  );
}

function Verdict() {
  const { tone, text } = verdict.value;
  return (
    <div class="heading">
      <h1 tabIndex={-1} class={`verdict ${tone}`}>
        <Sign tone={tone} /> {text}
      </h1>
      {!isPaused.value && (
        <div class="buttons">
          <ActButton act={pause}>Pause recovery…</ActButton>
        </div>
      )}
    </div>
  );
}

function Services() {
  return (
    <Table
      name="services"
      what="services"
      rows={services.value ?? {}}
      columns={COLUMNS}
      first="state"
      rank={rankOf}
      text={(service, name) => `${name} ${ofService(service).word} ${service.words} ${service.balance}`}
      empty="No service is configured. A section [service.NAME] in the configuration makes one."
    />
  );
}

function Troubles() {
  const all = troubles.value;
  const proposals = waiting.value;
  const { value: certificates } = useAnswer<Certificate[]>("/api/v1/certificates", CERTIFICATES_MS);
  const { value: state } = useAnswer<State>("/api/v1/recovery", RECOVERY_MS);
  const isHeld = state !== undefined && isHeldBack(state.services);
  const expiring = certificates?.filter(({ days_left: days }) => ofCertificate(days) !== "good") ?? [];
  const refused = certificatesRefused.value ?? [];
  const spent = spentBudgets.value;
  const lines = all.length + proposals.length + expiring.length + refused.length;
  if (lines === 0 && spent.length === 0 && !reloadRefused.value && !isPaused.value && !isHeld && !noLeader.value) return null;
  return (
    <section aria-labelledby="wrong">
      <h2 id="wrong">What needs attention</h2>
      <ul class="troubles">
        {all.slice(0, FIRST).map((trouble) => (
          <TroubleLine key={trouble.name} name={trouble.name} service={trouble.service} />
        ))}
        {all.length > FIRST && <li class="more soft">… and {all.length - FIRST} more: the table of services has them first</li>}
        {reloadRefused.value && <ReloadRefused {...reloadRefused.value} />}
        {refused.map((file) => (
          <CertificateRefused key={`${file.listener ?? ""} ${file.service ?? ""} ${file.path}`} file={file} />
        ))}
        {noLeader.value !== undefined && <NoLeader why={noLeader.value} />}
        {isPaused.value ? <Paused /> : state && <HeldBack services={state.services} />}
        {proposals.map(([id, attempt]) => (
          <li key={id}>
            <AttemptCard id={id} attempt={attempt} />
          </li>
        ))}
        {expiring.map((certificate) => (
          <Expiring key={certificate.fingerprint_sha256} certificate={certificate} />
        ))}
        {spent.length > 0 && <SpentBudgets all={spent} />}
      </ul>
    </section>
  );
}

const TroubleLine = memo(function TroubleLine({ root, name, service }: Omit<Trouble, "standing"> & Root) {
  const { tone, word, words } = ofService(service);
  return (
    <li ref={root} class={`trouble ${tone}`}>
      <Pill tone={tone}>{word}</Pill>
      <a class="name" href={to("service", name)}>
        {name}
      </a>
      <span class="words">{words}</span>
      <span class="facts">
        <span>{rate(service.rate)}/s</span>
        <span>{failed(service.error_rate)} failed</span>
      </span>
    </li>
  );
});

function Expiring({ certificate: { names, subject, days_left: days, not_after: end, listener } }: { certificate: Certificate }) {
  const tone = ofCertificate(days);
  return (
    <li class={`trouble ${tone}`}>
      <Pill tone={tone}>{days <= 0 ? "expired" : "expires soon"}</Pill>
      <a class="name" href={to("certificates")}>
        {names[0] ?? subject}
      </a>
      <span class="words">
        {days <= 0 ? "The certificate is not valid any more" : `The certificate expires in ${count(days)} days`}, listener {listener}
      </span>
      <span class="facts">{date(end)}</span>
    </li>
  );
}

/** What was lost some time ago, and stays lost until the window is over: it is told in one quiet line, after all that is wrong now. */
function SpentBudgets({ all }: { all: [string, number][] }) {
  const [name, left] = all[0]!;
  const more = all.length - 1;
  return (
    <li class="trouble off">
      <Pill tone="off">budget spent</Pill>
      <a class="name" href={more > 0 ? to("sla") : to("sla", name)}>
        {more > 0 ? `${all.length} services` : name}
      </a>
      <span class="words">
        {more > 0 ? `The error budgets of their windows are spent: ${all.slice(0, FIRST).map(([each]) => each).join(", ")}${all.length > FIRST ? " and more" : ""}` : "The error budget of its window is spent"}
      </span>
      <span class="facts">
        {more > 0 ? `${name} ` : ""}
        {budget(left)} left
      </span>
    </li>
  );
}

/** The file is not what runs. Its mistakes are many lines, of which `evenkeel check` shows all. */
function ReloadRefused({ at, reason }: { at: string; reason: string }) {
  return (
    <li class="trouble warn">
      <Pill tone="warn">not reloaded</Pill>
      <span class="name">Configuration</span>
      <span class="words" title={reason}>
        What ran before runs on: {reason.split("\n", 1)[0]}; evenkeel check says more
      </span>
      <span class="facts">{clock(at)}</span>
    </li>
  );
}

function CertificateRefused({ file: { listener, service, path, reason, since } }: { file: RefusedFile }) {
  const whose = listener ? `listener ${listener}` : service ? `service ${service}` : "admin address";
  return (
    <li class="trouble warn">
      <Pill tone="warn">not taken</Pill>
      <a class="name" href={to("certificates")}>
        TLS of {whose}
      </a>
      <span class="words">
        {path || "What was read anew"} can't be used, what was in force before stays: {reason}
      </span>
      <span class="facts">{clock(since)}</span>
    </li>
  );
}

function NoLeader({ why }: { why: string }) {
  return (
    <li class="trouble warn">
      <Pill tone="warn">no leader</Pill>
      <span class="name">Cluster</span>
      <span class="words">Backends are neither restarted nor scaled by any instance: {why}</span>
    </li>
  );
}

function Paused() {
  const { reason, by } = recovery.value ?? {};
  return (
    <li class="trouble warn">
      <Pill tone="warn">paused</Pill>
      <span class="name">Recovery</span>
      <span class="words">
        Nothing is repaired: paused{by ? ` by ${by}` : ""}
        {reason ? `, “${reason}”` : ""}
      </span>
      <span class="facts">
        <ActButton act={() => resume(reason)}>Resume…</ActButton>
      </span>
    </li>
  );
}

/** Figures of all services together. Percentiles can't be added up: the slowest service is named instead. */
function Totals() {
  const all = Object.entries(services.value ?? {});
  const sum = (of: (service: Service) => number) => all.reduce((before, [, service]) => before + of(service), 0);
  const total = sum(({ rate }) => rate);
  const errors = total > 0 ? sum(({ rate, error_rate: share }) => rate * (share ?? 0)) / total : null;
  const slowest = all.reduce<[string, Service] | undefined>((a, b) => ((b[1].p99_ms ?? 0) > (a?.[1].p99_ms ?? 0) ? b : a), undefined);
  const retries = sum(({ retry_rate: retried }) => retried);
  const waits = sum(({ waiting }) => waiting);
  const usable = sum(({ healthy }) => healthy);
  const backends = sum(({ total }) => total);
  return (
    <dl class="figures">
      <Figure label="Requests a second" value={rate(total)} />
      <Figure label="Failed" value={failed(errors)} tone={ofErrors(errors)} />
      <Figure label="Slowest p99" value={ms(slowest?.[1].p99_ms)} {...(slowest ? { note: slowest[0] } : {})} />
      <Figure label="In flight" value={count(sum(({ in_flight: now }) => now))} />
      <Figure label="Waiting" value={count(waits)} tone={waits > 0 ? "warn" : "good"} />
      <Figure label="Retries a second" value={rate(retries)} />
      <Figure label="Backends in use" value={`${count(usable)} of ${count(backends)}`} tone={ofHealthy(usable, backends)} />
    </dl>
  );
}

/** The worst first; among equals those with most traffic are no better than others, so their names decide. */
function rankOf(service: Service): number {
  return ORDER.indexOf(ofService(service).tone);
}

const COLUMNS: Column<Service>[] = [
  { id: "name", head: "Service", width: 15, isWide: true, cell: (_, name) => <a href={to("service", name)}>{name}</a>, key: (_, name) => name },
  {
    id: "state",
    head: "State",
    isWide: true,
    key: rankOf,
    cell: (service) => {
      const { tone, word, words } = ofService(service);
      return (
        <>
          <Pill tone={tone}>{word}</Pill>
          {words && (
            <small class="words" title={words}>
              {words}
            </small>
          )}
        </>
      );
    },
  },
  {
    id: "healthy",
    head: "Backends",
    width: 7,
    isNumber: true,
    key: ({ healthy, total }) => (total > 0 ? healthy / total : 0),
    cell: ({ healthy, total }) => <Marked tone={ofHealthy(healthy, total)}>{`${healthy} of ${total}`}</Marked>,
  },
  { id: "rate", head: "Req/s", width: 5.5, isNumber: true, isDescending: true, key: (s) => s.rate, cell: (s) => rate(s.rate) },
  {
    id: "errors",
    head: "Failed",
    width: 6,
    isNumber: true,
    isDescending: true,
    key: (s) => s.error_rate,
    cell: (s) => <Marked tone={ofErrors(s.error_rate)}>{failed(s.error_rate)}</Marked>,
  },
  { id: "p50", head: "p50", width: 5.5, isNumber: true, isDescending: true, from: 1, key: (s) => s.p50_ms, cell: (s) => ms(s.p50_ms) },
  { id: "p90", head: "p90", width: 5.5, isNumber: true, isDescending: true, from: 2, key: (s) => s.p90_ms, cell: (s) => ms(s.p90_ms) },
  { id: "p99", head: "p99", width: 5.5, isNumber: true, isDescending: true, key: (s) => s.p99_ms, cell: (s) => ms(s.p99_ms) },
  { id: "flight", head: "In flight", width: 5.5, isNumber: true, isDescending: true, from: 2, key: (s) => s.in_flight, cell: (s) => count(s.in_flight) },
  { id: "retries", head: "Retries/s", width: 5.5, isNumber: true, isDescending: true, from: 3, key: (s) => s.retry_rate, cell: (s) => rate(s.retry_rate) },
  {
    id: "budget",
    head: "Budget left",
    width: 8,
    from: 1,
    key: (s) => s.budget_left,
    cell: ({ budget_left: left }) => left != null && <Bar share={left} text={budget(left)} tone={ofBudget(left)} />,
  },
  { id: "balance", head: "Algorithm", width: 10, from: 3, key: (s) => s.balance, cell: (s) => s.balance.replaceAll("_", " ") },
];

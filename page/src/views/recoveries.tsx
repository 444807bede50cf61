/** What is done about faults: whether recovery is on, the attempts, and what was learned. */

import { ActButton } from "../acts/button";
import { pause, resume } from "../acts/catalogue";
import { useAnswer } from "../api";
import { clock, duration, percent, words } from "../format";
import type { Maybe } from "../live/contract";
import { Heading } from "../parts/heading";
import { Bar, Pill } from "../parts/pill";
import { to } from "../router";
import type { Tone } from "../tone";
import { AttemptButtons, wordsFor } from "./attempts";

export interface Attempt {
  id: number;
  service: string;
  backend: Maybe<string>;
  fault: string;
  confidence: number;
  votes: { by: string; text: string }[];
  strategy: string;
  why: string;
  brakes: { by: string; text: string }[];
  dry_run: boolean;
  phase: string;
  raised: string;
  start: string;
  acted: Maybe<string>;
  end: Maybe<string>;
  outcome: Maybe<string>;
  success: Maybe<boolean>;
  duration_s: Maybe<number>;
  recovery_s: Maybe<number>;
  credited: boolean;
  lesson: Maybe<string>;
  act: Maybe<{ what: string; ok: boolean; code: Maybe<number>; error: string; took_s: number; output: string }>;
  who: Maybe<string>;
  in_force: boolean;
}

export interface State {
  paused: boolean;
  who: Maybe<string>;
  since: Maybe<string>;
  reason: Maybe<string>;
  services: Record<string, { dry_run: boolean; approve: string; braked: Maybe<string> }>;
}

type Learned = Record<string, Record<string, Record<string, { effectiveness: number; attempts: number; successes: number }>>>;

const EVERY_MS = 2_000;

export function RecoveriesView() {
  const { value: state } = useAnswer<State>("/api/v1/recovery", EVERY_MS);
  const { value: attempts, error } = useAnswer<Attempt[]>("/api/v1/recoveries?limit=100", EVERY_MS);
  const { value: learned } = useAnswer<Learned>("/api/v1/recoveries/effectiveness", 10_000);
  return (
    <>
      <Heading title="Recoveries" acts={<Acts state={state} />}>
        {state && <Mode state={state} />}
      </Heading>
      {state && <Braked services={state.services} />}
      <section aria-labelledby="attempts">
        <h2 id="attempts">Attempts</h2>
        {error && <p class="problem">{error}</p>}
        {attempts?.length === 0 && <p class="empty">Nothing was repaired yet.</p>}
        <ul class="cards">
          {attempts?.map((attempt) => (
            <AttemptLine key={attempt.id} attempt={attempt} />
          ))}
        </ul>
      </section>
      {learned && Object.keys(learned).length > 0 && <LearnedTable learned={learned} />}
    </>
  );
}

function Acts({ state }: { state: State | undefined }) {
  return (
    <>
      {state?.paused ? (
        <ActButton class="primary" act={() => resume(state.reason)}>
          Resume recovery…
        </ActButton>
      ) : (
        <ActButton act={pause}>Pause recovery…</ActButton>
      )}
      <a class="button" href="/api/v1/recoveries?format=markdown" target="_blank">
        All attempts as a report
      </a>
    </>
  );
}

function Mode({ state }: { state: State }) {
  if (state.paused) {
    return (
      <>
        <Pill tone="warn">paused</Pill> by {state.who} since {clock(state.since)}
        {state.reason ? `: ${state.reason}` : ""}
      </>
    );
  }
  const number = Object.keys(state.services).length;
  return number === 0 ? <>No service is repaired: none has a section [service.NAME.recovery]</> : <>Recovery is on for {number === 1 ? "one service" : `${number} services`}</>;
}

function Braked({ services }: { services: State["services"] }) {
  const asks = Object.entries(services).filter(([, { dry_run: isDry, approve }]) => isDry || approve === "ask");
  if (asks.length === 0 && !isHeldBack(services)) return null;
  return (
    <ul class="troubles">
      <HeldBack services={services} />
      {asks.map(([name, { dry_run: isDry }]) => (
        <li key={name} class="trouble">
          <Pill tone="off">{isDry ? "dry run" : "asks first"}</Pill>
          <a class="name" href={to("service", name)}>
            {name}
          </a>
          <span class="words">{isDry ? "What would be done is said, and nothing is done" : "Each attempt waits to be approved"}</span>
        </li>
      ))}
    </ul>
  );
}

/** Whether a brake holds anywhere. */
export function isHeldBack(services: State["services"]): boolean {
  return Object.values(services).some(({ braked }) => braked);
}

/** The services whose faults are left as they are, because a brake holds. */
export function HeldBack({ services }: { services: State["services"] }) {
  const held = Object.entries(services).filter(([, { braked }]) => braked);
  return (
    <>
      {held.map(([name, { braked }]) => (
        <li key={name} class="trouble warn">
          <Pill tone="warn">held back</Pill>
          <a class="name" href={to("recoveries")}>
            recovery of {name}
          </a>
          <span class="words">{braked}</span>
        </li>
      ))}
    </>
  );
}

/** How an attempt came out, in one word. */
export function outcome({ dry_run: isDry, end, phase, in_force: inForce, success, outcome: came }: Attempt): [Tone, string] {
  if (phase === "proposed") return ["warn", "waits for approval"];
  if (!end) return ["busy", words(phase)];
  if (inForce) return ["busy", "in force"];
  if (isDry) return ["off", "dry run"];
  return success === true ? ["good", words(came)] : success === false ? ["bad", words(came)] : ["off", words(came)];
}

export function whatOf({ service, backend, fault, strategy }: Attempt): string {
  return `${words(strategy)} of ${backend ? `${service}/${backend}` : service} against ${words(fault)}`;
}

export function AttemptActs({ attempt }: { attempt: Attempt }) {
  const { id, phase, end, in_force: inForce } = attempt;
  const isOver = Boolean(end) && !inForce;
  if (isOver) return null;
  const possible = wordsFor({ phase, waits_for_approval: phase === "proposed" });
  return (
    <p class="buttons">
      <AttemptButtons id={String(id)} what={whatOf(attempt)} possible={possible} />
    </p>
  );
}

function AttemptLine({ attempt }: { attempt: Attempt }) {
  const [tone, word] = outcome(attempt);
  return (
    <li class={`card ${tone}`}>
      <p class="card-head">
        <Pill tone={tone}>{word}</Pill>
        <a href={to("recoveries", String(attempt.id))}>
          {attempt.id}: {whatOf(attempt)}
        </a>
        <span class="soft">
          {clock(attempt.start)}
          {attempt.recovery_s != null ? ` · well again after ${duration(attempt.recovery_s)}` : ""}
          {attempt.dry_run ? " · dry run" : ""}
        </span>
      </p>
      <p class="soft">
        {attempt.why}
        {attempt.lesson ? `. ${attempt.lesson[0]!.toUpperCase()}${attempt.lesson.slice(1)}` : ""}
      </p>
      <AttemptActs attempt={attempt} />
    </li>
  );
}

function LearnedTable({ learned }: { learned: Learned }) {
  const rows = Object.entries(learned).flatMap(([service, faults]) =>
    Object.entries(faults).flatMap(([fault, strategies]) => Object.entries(strategies).map(([strategy, figures]) => ({ service, fault, strategy, ...figures }))),
  );
  return (
    <section aria-labelledby="learned">
      <h2 id="learned">What was learned</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Effectiveness of each strategy">
        <table class="small-table">
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">Fault</th>
              <th scope="col">Strategy</th>
              <th scope="col">Effectiveness</th>
              <th scope="col" class="number">Helped</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ service, fault, strategy, effectiveness, attempts, successes }) => (
              <tr key={service + fault + strategy}>
                <th scope="row">{service}</th>
                <td>{words(fault)}</td>
                <td>{words(strategy)}</td>
                <td class="share">
                  <Bar share={effectiveness} text={percent(effectiveness)} />
                </td>
                <td class="number">
                  {successes} of {attempts}
                </td>
              </tr>
            ))}
          </tbody>
      </table>
      </div>
    </section>
  );
}

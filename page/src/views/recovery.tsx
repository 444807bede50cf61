/** One attempt to repair something: what was found, why this was done, what came of it. */

import { useAnswer } from "../api";
import { clock, duration, percent, words } from "../format";
import { Heading } from "../parts/heading";
import { Figure, Pill } from "../parts/pill";
import { to } from "../router";
import { type Attempt, AttemptActs, outcome, whatOf } from "./recoveries";

const EVERY_MS = 2_000;

export function RecoveryView({ id }: { id: string }) {
  const { value: attempt, error } = useAnswer<Attempt>(`/api/v1/recoveries/${encodeURIComponent(id)}`, EVERY_MS);
  const path: [string, string][] = [["Recoveries", to("recoveries")]];
  if (attempt) path.push([attempt.service, to("service", attempt.service)]);
  if (attempt?.backend) path.push([attempt.backend, to("service", attempt.service, attempt.backend)]);
  if (!attempt) return <Heading title={`Attempt ${id}`} path={path}>{error ?? "Loading…"}</Heading>;
  const [tone, word] = outcome(attempt);
  return (
    <>
      <Heading title={`Attempt ${id}`} path={path}>
        <Pill tone={tone}>{word}</Pill> {whatOf(attempt)}
      </Heading>
      <AttemptActs attempt={attempt} />
      <dl class="figures">
        <Figure label="Fault since" value={clock(attempt.raised)} />
        <Figure label="Begun" value={clock(attempt.start)} />
        <Figure label="Acted" value={clock(attempt.acted)} />
        <Figure label="Over" value={clock(attempt.end)} {...(attempt.duration_s != null ? { note: `after ${duration(attempt.duration_s)}` } : {})} />
        <Figure label="Well again after" value={duration(attempt.recovery_s)} />
        <Figure label="Confidence" value={percent(attempt.confidence)} />
      </dl>
      <Told title="Why this strategy" lines={[attempt.why]} />
      <Told title="What was found" lines={attempt.votes.map(({ by, text }) => `${words(by)}: ${text}`)} />
      <Told title="Brakes that were looked at" lines={attempt.brakes.map(({ by, text }) => `${words(by)}: ${text}`)} />
      {attempt.act && <Done act={attempt.act} />}
      <Told title="What was learned" lines={[attempt.lesson ?? "", attempt.who ? `A person had a part in it: ${attempt.who}` : ""]} />
    </>
  );
}

function Told({ title, lines }: { title: string; lines: string[] }) {
  const said = lines.filter(Boolean);
  if (said.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      {said.map((line) => (
        <p key={line} class="prose">
          {line}
        </p>
      ))}
    </section>
  );
}

function Done({ act }: { act: NonNullable<Attempt["act"]> }) {
  // what a command ends with, or a webhook answers
  const code = act.code != null ? `${act.what.startsWith("POST ") ? "status" : "exit code"} ${act.code}, ` : "";
  return (
    <section>
      <h2>What was done</h2>
      <p class="prose">
        {act.what} ({code}
        {duration(act.took_s)}
        {act.error ? `, ${act.error}` : ""})
      </p>
      {act.output && (
        <pre tabIndex={0} aria-label="What the command printed">
          {act.output}
        </pre>
      )}
    </section>
  );
}

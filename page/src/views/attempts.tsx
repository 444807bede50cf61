/** Attempts to repair something, as far as they are under way or in force. */

import { ActButton } from "../acts/button";
import { type AttemptWord, attempt as act } from "../acts/catalogue";
import { words } from "../format";
import type { Recovery } from "../live/contract";
import { memo } from "../parts/memo";
import { Pill } from "../parts/pill";
import { to } from "../router";

/** What can be said of an attempt in its phase. */
export function wordsFor({ phase, waits_for_approval: waits }: Pick<Recovery, "phase" | "waits_for_approval">): AttemptWord[] {
  if (waits) return ["approve", "refuse"];
  // what has ended and is still told of is in force
  return phase === "ended" ? ["undo"] : ["stop"];
}

export const AttemptCard = memo(function AttemptCard({ id, attempt }: { id: string; attempt: Recovery }) {
  const { service, backend, fault, strategy, phase, text, waits_for_approval: waits } = attempt;
  const whom = backend ? `${service}/${backend}` : service;
  const what = `${words(strategy)} of ${whom} against ${words(fault)}`;
  return (
    <div class={`trouble ${waits ? "warn" : "busy"}`}>
      <Pill tone={waits ? "warn" : "busy"}>{waits ? "waits for approval" : phase === "ended" ? "in force" : words(phase)}</Pill>
      <a class="name" href={to("recoveries", id)}>
        {words(strategy)} of {whom}
      </a>
      <span class="words">{text || `against ${words(fault)}`}</span>
      <span class="facts">
        <AttemptButtons id={id} what={what} possible={wordsFor(attempt)} />
      </span>
    </div>
  );
});

export function AttemptButtons({ id, what, possible }: { id: string; what: string; possible: AttemptWord[] }) {
  return (
    <>
      {possible.map((word) => (
        <ActButton key={word} act={() => act(word, id, what)}>
          {word[0]!.toUpperCase() + word.slice(1)}…
        </ActButton>
      ))}
    </>
  );
}

/** Small signs: a shape in the colour of its tone, always beside words. */

import type { ComponentChildren } from "preact";
import type { Tone } from "../tone";
import { type Root, memo } from "./memo";

/** The shapes differ as well as the colours do. */
const SHAPES: Record<Tone, string> = {
  good: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm3.4 4.2L7 10.1 4.7 7.8l-1 1L7 12.1l5.4-5.4Z",
  busy: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm-.8 2.8v4.3l3.4 2 .7-1.2-2.6-1.6V4.3Z",
  off: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM5.4 5v6h1.8V5Zm3.4 0v6h1.8V5Z",
  warn: "M8 1 15.5 14.5H.5Zm-.8 5v4.2h1.6V6Zm0 5.2v1.6h1.6v-1.6Z",
  bad: "M5.2 1.2h5.6l4 4v5.6l-4 4H5.2l-4-4V5.2Zm.3 3.2L4.4 5.5 6.9 8l-2.5 2.5 1.1 1.1L8 9.1l2.5 2.5 1.1-1.1L9.1 8l2.5-2.5-1.1-1.1L8 6.9Z",
};

export function Sign({ tone }: { tone: Tone }) {
  return (
    <svg class={`sign ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <path fill-rule="evenodd" d={SHAPES[tone]} />
    </svg>
  );
}

export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`pill ${tone}`}>
      <Sign tone={tone} />
      {children}
    </span>
  );
}

/** A share as a bar with its figure. */
export function Bar({ share, text, tone = "busy" }: { share: number; text: string; tone?: Tone }) {
  const percent = Math.max(0, Math.min(1, share)) * 100;
  return (
    <span class="bar">
      <span class="bar-text">{text}</span>
      <span class="bar-track" aria-hidden="true">
        <span class={`bar-fill ${tone}`} style={{ width: `${percent}%` }} />
      </span>
    </span>
  );
}

/** A figure with what it is about. */
export const Figure = memo(function Figure({ root, label, value, tone, note }: { label: string; value: string; tone?: Tone; note?: string } & Root) {
  const isMarked = tone === "warn" || tone === "bad";
  return (
    <div ref={root} class="figure">
      <dt>{label}</dt>
      <dd class={isMarked ? `marked ${tone}` : ""}>
        {isMarked && <Sign tone={tone} />}
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
});

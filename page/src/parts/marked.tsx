import type { Tone } from "../tone";

/** A figure that is marked when it is bad. */
export function Marked({ tone, children }: { tone: Tone; children: string }) {
  return tone === "warn" || tone === "bad" ? <span class={`marked ${tone}`}>{children}</span> : <>{children}</>;
}

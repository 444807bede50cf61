import type { Tone } from "../tone";
import { Sign } from "./pill";

/** A figure that is marked, with a sign and in colour, when it is bad. */
export function Marked({ tone, children }: { tone: Tone; children: string }) {
  if (tone !== "warn" && tone !== "bad") return <>{children}</>;
  return (
    <span class={`marked ${tone}`}>
      <Sign tone={tone} /> {children}
    </span>
  );
}

/** The answer to "why?": sentences first, then what they rest on. */

import type { ComponentChildren } from "preact";
import { percent, words } from "../format";
import type { Maybe } from "../live/contract";
import { Bar, Pill } from "../parts/pill";
import type { Event } from "./event";

export interface Why {
  state: string;
  reason: Maybe<string>;
  by: string;
  since: string;
  text: string[];
  rules: { rule: string; figure: string; threshold: string; would: string; holds: boolean; text: string }[];
  votes: { fault: string; detector: string; confidence: number; text: string }[];
  brakes: { brake: string; holds: boolean; text: string }[];
  algorithms: { algorithm: string; share: Maybe<number>; text: string }[];
  timeline: Event[];
}

export function WhyShown({ why }: { why: Why }) {
  return (
    <div class="why">
      {why.text.map((sentence, at) => (
        <p key={at} class={at === 0 ? "answer" : ""}>
          {sentence}
        </p>
      ))}
      <Rules rules={why.rules} />
      <Part title="What the detectors say" heads={["Detector", "Fault", "Confidence", "Why"]} isShown={why.votes.length > 0}>
        {why.votes.map(({ detector, fault, confidence, text }) => (
          <tr key={detector + fault}>
            <th scope="row">{words(detector)}</th>
            <td>{words(fault)}</td>
            <td>{percent(confidence)}</td>
            <td class="prose">{text}</td>
          </tr>
        ))}
      </Part>
      <Part title="What holds it back" heads={["Brake", "Now", "Why"]} isShown={why.brakes.length > 0}>
        {why.brakes.map(({ brake, holds, text }) => (
          <tr key={brake}>
            <th scope="row">{words(brake)}</th>
            <td>{holds ? <Pill tone="warn">holds</Pill> : "does not hold"}</td>
            <td class="prose">{text}</td>
          </tr>
        ))}
      </Part>
      <Part title="What each algorithm would give it now" heads={["Algorithm", "Share", "Why"]} isShown={why.algorithms.length > 0}>
        {why.algorithms.map(({ algorithm, share, text }) => (
          <tr key={algorithm}>
            <th scope="row">{words(algorithm)}</th>
            <td class="share">{share == null ? "not known" : <Bar share={share} text={percent(share)} />}</td>
            <td class="prose">{text}</td>
          </tr>
        ))}
      </Part>
    </div>
  );
}

function Rules({ rules }: { rules: Why["rules"] }) {
  return (
    <Part title="The rules, and what each would do" heads={["Rule", "Figure", "Threshold", "Would", ""]} isShown={rules.length > 0}>
      {rules.map(({ rule, figure, threshold, would, holds, text }) => (
        <tr key={rule}>
          <th scope="row">{words(rule)}</th>
          <td>{figure}</td>
          <td>{threshold}</td>
          <td>{holds ? <Pill tone={would === "keep" ? "good" : "warn"}>{words(would)}</Pill> : <span class="soft">not {words(would)}</span>}</td>
          <td class="prose">{text}</td>
        </tr>
      ))}
    </Part>
  );
}

interface PartProps {
  title: string;
  heads: string[];
  isShown: boolean;
  children: ComponentChildren;
}

function Part({ title, heads, isShown, children }: PartProps) {
  if (!isShown) return null;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={title}>
      <table class="small-table">
        <caption>{title}</caption>
        <thead>
          <tr>
            {heads.map((head) => (head ? <th key={head} scope="col">{head}</th> : <td key="more" />))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

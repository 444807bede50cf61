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
      <Part
        title="What the detectors say"
        heads={["Detector", "Fault", "Confidence", "Why"]}
        rows={why.votes.map(({ detector, fault, confidence, text }) => ({ key: detector + fault, cells: [words(detector), words(fault), percent(confidence), text] }))}
      />
      <Part
        title="What holds it back"
        heads={["Brake", "Now", "Why"]}
        rows={why.brakes.map(({ brake, holds, text }) => ({ key: brake, cells: [words(brake), holds ? <Pill tone="warn">holds</Pill> : "does not hold", text] }))}
      />
      <Part
        title="What each algorithm would give it now"
        heads={["Algorithm", "Share", "Why"]}
        rows={why.algorithms.map(({ algorithm, share, text }) => ({
          key: algorithm,
          cells: [words(algorithm), share == null ? "not known" : <Bar share={share} text={percent(share)} />, text],
        }))}
      />
    </div>
  );
}

function Rules({ rules }: { rules: Why["rules"] }) {
  return (
    <Part
      title="The rules, and what each would do"
      heads={["Rule", "Figure", "Threshold", "Would", "Why"]}
      rows={rules.map(({ rule, figure, threshold, would, holds, text }) => ({
        key: rule,
        cells: [
          words(rule),
          figure,
          threshold,
          holds ? <Pill tone={would === "keep" ? "good" : "warn"}>{words(would)}</Pill> : <span class="soft">not {words(would)}</span>,
          text,
        ],
      }))}
    />
  );
}

interface PartProps {
  title: string;
  heads: string[];
  /** What each row is about comes first, its words last. */
  rows: { key: string; cells: ComponentChildren[] }[];
}

/** A table, and on a phone a list. The roles are said because what is shown as a list is no table for a browser. */
function Part({ title, heads, rows }: PartProps) {
  if (rows.length === 0) return null;
  const last = heads.length - 1;
  return (
    <table role="table" class={`small-table${last === 2 ? " pairs" : ""}`}>
      <caption>{title}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {heads.map((head) => (
            <th key={head} role="columnheader" scope="col" class={`h-${head.toLowerCase()}`}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map(({ key, cells: [what, ...cells] }) => (
          <tr key={key} role="row">
            <th role="rowheader" scope="row">
              {what}
            </th>
            {cells.map((cell, at) => (
              <td key={at} role="cell" class={at === last - 1 ? "prose" : ""} data-head={heads[at + 1]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Days of a promise: a bar for each, and what is left of the budget. */

import { availability, budget, count, date, duration } from "../format";
import type { Maybe } from "../live/contract";

export interface Day {
  start: string;
  grade: "met" | "missed" | "bad" | "planned" | "unknown";
  by_time: Maybe<number>;
  by_requests: Maybe<number>;
  downtime_s: number;
  requests: { good: number; failed: number; slow: number };
}

const MEANING: Record<Day["grade"], string> = {
  met: "target met",
  missed: "below target",
  bad: "far below target",
  planned: "maintenance",
  unknown: "not known",
};

/** A bar for each day. The bars differ in height and in filling, not in colour alone. */
export function Days({ days }: { days: Day[] }) {
  const grades = Object.keys(MEANING) as Day["grade"][];
  const counts = grades.map((grade) => [grade, days.filter((day) => day.grade === grade).length] as const).filter(([, n]) => n > 0);
  const summary = counts.map(([grade, n]) => `${n} ${n === 1 ? "day" : "days"} ${MEANING[grade]}`).join(", ");
  const notMet = days.filter(({ grade }) => grade === "missed" || grade === "bad");
  return (
    <>
      <div class="days" role="img" aria-label={summary}>
        {days.map((day) => (
          <span key={day.start} class={`day ${day.grade}`} title={`${date(day.start)}: ${MEANING[day.grade]}, ${availability(day.by_time)} by time, ${availability(day.by_requests)} by requests`} />
        ))}
      </div>
      <p class="soft">{summary}</p>
      {notMet.length > 0 && (
        <details>
          <summary>Days below the target</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Days below the target">
            <table class="small-table">
              <thead>
                <tr>
                  <th scope="col">Day</th>
                  <th scope="col" class="number">By time</th>
                  <th scope="col" class="number">By requests</th>
                  <th scope="col" class="number">Down</th>
                  <th scope="col" class="number">Requests lost</th>
                </tr>
              </thead>
              <tbody>
                {notMet.map(({ start, by_time: time, by_requests: requests, downtime_s: down, requests: { failed, slow } }) => (
                  <tr key={start}>
                    <th scope="row">{date(start)}</th>
                    <td class="number">{availability(time)}</td>
                    <td class="number">{availability(requests)}</td>
                    <td class="number">{duration(down)}</td>
                    <td class="number">{count(failed + slow)}</td>
                  </tr>
                ))}
              </tbody>
          </table>
          </div>
        </details>
      )}
    </>
  );
}

interface Allowed {
  allowed_s: number;
  allowed_requests: Maybe<number>;
}

const DAYS_OF_WINDOW = 30;

/** What of the budget was left at the end of each of the last 30 days, the smaller of the two shares. */
export function BudgetCurve({ days, allowed }: { days: Day[]; allowed: Allowed }) {
  const last = days.slice(-DAYS_OF_WINDOW);
  let [down, lost] = [0, 0];
  const left = last.map(({ downtime_s, requests: { failed, slow } }) => {
    down += downtime_s;
    lost += failed + slow;
    const byTime = 1 - down / Math.max(1e-9, allowed.allowed_s);
    return Math.min(byTime, allowed.allowed_requests ? 1 - lost / allowed.allowed_requests : 1);
  });
  const lowest = Math.min(0, ...left);
  const y = (share: number) => 4 + ((1 - share) / (1 - lowest)) * 72;
  const x = (at: number) => (at / Math.max(1, last.length - 1)) * 600;
  const points = left.map((share, at) => `${x(at)},${y(share)}`).join(" ");
  const text = `Budget left, day by day: ${budget(left[0])} at first, ${budget(left.at(-1))} now`;
  return (
    <figure class="chart budget">
      <figcaption>
        Budget left, last {last.length} days <strong>{budget(left.at(-1))}</strong>
      </figcaption>
      <svg viewBox="0 0 600 80" preserveAspectRatio="none" role="img" aria-label={text}>
        <line x1="0" x2="600" y1={y(0)} y2={y(0)} class="zero" />
        <polyline points={points} class={left.at(-1)! <= 0 ? "bad" : ""} />
      </svg>
    </figure>
  );
}

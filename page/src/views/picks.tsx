/** How the algorithm of a service would choose now, and why: nothing is changed by asking. */

import { useState } from "preact/hooks";
import { get } from "../api";
import { count, ms } from "../format";
import { to } from "../router";

interface Answer {
  balance: string;
  panic: boolean;
  picks: { backend: string; why: string }[];
  candidates: { backend: string; weight: number; in_flight: number; ewma_ms: number | null }[];
}

export function Picks({ service }: { service: string }) {
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState("");
  const ask = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const query = new URLSearchParams({ service, n: "10" });
    const key = String(form.get("key") ?? "");
    if (key) query.set("key", key);
    try {
      setAnswer(await get<Answer>(`/api/v1/pick?${query}`));
      setError("");
    } catch (problem) {
      setError((problem as Error).message);
    }
  };
  return (
    <section aria-labelledby="picks">
      <h2 id="picks">Who would be chosen now?</h2>
      <form class="row" onSubmit={ask}>
        <label>
          Key of the request <span class="soft">(for hashing; may be empty)</span>
          <input name="key" autocomplete="off" placeholder="192.0.2.7" />
        </label>
        <button>Ask for ten picks</button>
      </form>
      {error && (
        <p class="problem" role="alert">
          {error}
        </p>
      )}
      {answer && <Shown service={service} answer={answer} />}
    </section>
  );
}

function Shown({ service, answer }: { service: string; answer: Answer }) {
  const chosen = new Map(answer.candidates.map(({ backend }) => [backend, 0]));
  for (const { backend } of answer.picks) chosen.set(backend, (chosen.get(backend) ?? 0) + 1);
  return (
    <div class="columns" role="status">
      <ol class="plain-list">
        {answer.picks.map(({ backend, why }, at) => (
          <li key={at}>
            <a href={to("service", service, backend)}>{backend}</a> <span class="soft">{why}</span>
          </li>
        ))}
      </ol>
      <div class="scroll" tabIndex={0} role="region" aria-label="Candidates">
        <table class="small-table">
          <caption>
            Candidates{answer.panic ? " (panic: health is ignored)" : ""}
          </caption>
          <thead>
            <tr>
              <th scope="col">Backend</th>
              <th scope="col" class="number">Picked</th>
              <th scope="col" class="number">Weight</th>
              <th scope="col" class="number">In flight</th>
              <th scope="col" class="number">Reckoned latency</th>
            </tr>
          </thead>
          <tbody>
            {answer.candidates.slice(0, 50).map(({ backend, weight, in_flight, ewma_ms }) => (
              <tr key={backend}>
                <th scope="row">{backend}</th>
                <td class="number">{count(chosen.get(backend))}</td>
                <td class="number">{count(weight)}</td>
                <td class="number">{count(in_flight)}</td>
                <td class="number">{ms(ewma_ms)}</td>
              </tr>
            ))}
          </tbody>
      </table>
      </div>
    </div>
  );
}

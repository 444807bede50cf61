/** What other algorithms would have done with the same requests: each has chosen beside the real one, without any effect. */

import { count, failed, ms, percent, words } from "../format";
import type { Details, Shadow } from "../live/contract";
import { Bar } from "../parts/pill";
import { to } from "../router";

/** So many backends are listed. */
const LISTED = 50;

export function ShadowSection({ service, details }: { service: string; details: Details }) {
  const shadows = details.shadow ?? [];
  if (shadows.length === 0) return null;
  const ids = Object.keys(details.backends);
  return (
    <section aria-labelledby="shadow">
      <h2 id="shadow">What other algorithms would do</h2>
      <div class="shadow">
        <div class="scroll" tabIndex={0} role="region" aria-label="Algorithms in shadow">
          <table class="small-table">
            <caption>What each would have picked for the same requests, beside {words(details.balance)}</caption>
            <thead>
              <tr>
                <th scope="col">Algorithm</th>
                <th scope="col" class="number">Picks</th>
                <th scope="col">The same backend</th>
                <th scope="col" class="number">Estimated mean</th>
                <th scope="col" class="number">Estimated p99</th>
              </tr>
            </thead>
            <tbody>
              {shadows.map(({ algorithm, picks, agreement, mean_ms: mean, p99_ms: p99 }) => (
                <tr key={algorithm}>
                  <th scope="row">{words(algorithm)}</th>
                  <td class="number">{count(picks)}</td>
                  <td class="share">{agreement == null ? "–" : <Bar share={agreement} text={percent(agreement)} />}</td>
                  <td class="number">{ms(mean)}</td>
                  <td class="number">{ms(p99)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <div class="scroll" tabIndex={0} role="region" aria-label="Shares by algorithm">
          <table class="small-table">
            <caption>What each backend gets, and would get</caption>
            <thead>
              <tr>
                <th scope="col">Backend</th>
                <th scope="col" class="number">Failed</th>
                <th scope="col">Now</th>
                {shadows.map(({ algorithm }) => (
                  <th key={algorithm} scope="col">
                    {words(algorithm)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {ids.slice(0, LISTED).map((id) => (
                <tr key={id}>
                  <th scope="row">
                    <a href={to("service", service, id)}>{id}</a>
                  </th>
                  <td class="number">{failed(details.backends[id]?.error_rate)}</td>
                  <td class="share">
                    <Share share={details.backends[id]?.share} />
                  </td>
                  {shadows.map(({ algorithm, backends }) => (
                    <td key={algorithm} class="share">
                      <Share share={backends[id] ?? 0} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {ids.length > LISTED && <p class="soft">… and {count(ids.length - LISTED)} more</p>}
        </div>
      </div>
    </section>
  );
}

function Share({ share }: { share: Shadow["agreement"] }) {
  return share == null ? <>–</> : <Bar share={share} text={percent(share)} />;
}

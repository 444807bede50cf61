/** The ring of a service that hashes: who owns how much of it, how much of the requests that was, and where a key lies. */

import { useState } from "preact/hooks";
import { useAnswer } from "../api";
import { count, percent, words } from "../format";
import type { Maybe } from "../live/contract";
import { details } from "../live/store";
import { Bar } from "../parts/pill";
import { to } from "../router";

interface Ring {
  hash_on: string;
  virtual_nodes: number;
  bounded_load: number;
  points: number;
  backends: { backend: string; weight: number; share: number; fair_share: number }[];
  /** Who owns each of as many equal slices: places in `backends`. */
  slices: number[];
  key: Maybe<{ key: string; at: number; owners: string[] }>;
}

/** It changes when backends come and go. */
const EVERY_MS = 5_000;
/** So many backends are listed; the ring is drawn of all. */
const LISTED = 50;
/** Colours of slices; the style sheet has them. With more backends they come again. */
const COLOURS = 8;
/** Of the drawing, whose middle is at 0, 0. */
const [OUTER, INNER] = [100, 68];

export function RingSection({ service }: { service: string }) {
  const [key, setKey] = useState("");
  const [marked, setMarked] = useState<number>();
  const query = new URLSearchParams({ service, ...(key ? { key } : {}) });
  const { value: ring, error } = useAnswer<Ring>(`/api/v1/ring?${query}`, EVERY_MS);
  const ask = (event: SubmitEvent) => {
    event.preventDefault();
    setKey(String(new FormData(event.currentTarget as HTMLFormElement).get("key") ?? ""));
  };
  return (
    <section aria-labelledby="ring">
      <h2 id="ring">The ring</h2>
      <form class="row" onSubmit={ask}>
        <label>
          Where is this key? {ring && <span class="soft">(hashed: {words(ring.hash_on)})</span>}
          <input name="key" autocomplete="off" placeholder="192.0.2.7" />
        </label>
        <button>Find it</button>
      </form>
      {ring ? <Shown service={service} ring={ring} marked={marked} mark={setMarked} /> : <p class="empty">{error ?? "Loading…"}</p>}
    </section>
  );
}

interface ShownProps {
  service: string;
  ring: Ring;
  /** The backend whose slices stand out. */
  marked: number | undefined;
  mark: (place: number | undefined) => void;
}

function Shown({ service, ring, marked, mark }: ShownProps) {
  const { backends, key } = ring;
  return (
    <div class="ring">
      <Drawing ring={ring} marked={marked} />
      <div>
        {key && (
          <p role="status">
            <b>{key.key}</b> belongs to <a href={to("service", service, key.owners[0] ?? "")}>{key.owners[0]}</a>
            {key.owners.length > 1 && <span class="soft">; if that is gone, to {key.owners.slice(1).join(", then ")}</span>}
          </p>
        )}
        <table class="small-table" onMouseLeave={() => mark(undefined)}>
          <caption>
            {count(ring.points)} points of {backends.length === 1 ? "one backend" : `${count(backends.length)} backends`}
            {ring.bounded_load > 0 && `; none has more than ${percent(ring.bounded_load)} of the mean in flight`}
          </caption>
          <thead>
            <tr>
              <th scope="col">Backend</th>
              <th scope="col">Of the ring</th>
              <th scope="col" class="number">By weight</th>
              <th scope="col" class="number">Of the requests</th>
            </tr>
          </thead>
          <tbody>
            {backends.slice(0, LISTED).map(({ backend, share, fair_share: fair }, place) => (
              <tr key={backend} class={marked === place ? "asked" : ""} onMouseEnter={() => mark(place)} onFocusIn={() => mark(place)} onFocusOut={() => mark(undefined)}>
                <th scope="row">
                  <span class={`swatch ring-${place % COLOURS}`} /> <a href={to("service", service, backend)}>{backend}</a>
                </th>
                <td class="share">
                  <Bar share={share} text={percent(share)} />
                </td>
                <td class="number">{percent(fair)}</td>
                <td class="number">{percent(details.value?.backends[backend]?.share)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {backends.length > LISTED && <p class="soft">… and {count(backends.length - LISTED)} more</p>}
      </div>
    </div>
  );
}

/** The circle, from the top clockwise. */
function Drawing({ ring: { slices, backends, key }, marked }: { ring: Ring; marked: number | undefined }) {
  const paths = backends.map(() => "");
  for (const [owner, from, to] of runs(slices)) paths[owner] += arc(from / slices.length, to / slices.length);
  const said = backends.slice(0, 8).map(({ backend, share }) => `${backend} ${percent(share)}`);
  const where = key ? ` The key ${key.key} lies at ${percent(key.at)} of it, with ${key.owners[0]}.` : "";
  return (
    <svg class="ring-drawing" viewBox="-120 -120 240 240" role="img" aria-label={`The ring: ${said.join(", ")}.${where}`}>
      {paths.map((path, place) => path && <path key={place} d={path} class={`ring-${place % COLOURS}${marked !== undefined && marked !== place ? " dim" : ""}`} />)}
      {key && <Key at={key.at} owner={key.owners[0] ?? ""} />}
    </svg>
  );
}

/** Slices beside each other that have the same owner: the owner, and where they begin and end. */
export function runs(slices: number[]): [owner: number, from: number, to: number][] {
  const all: [number, number, number][] = [];
  slices.forEach((owner, at) => {
    const last = all.at(-1);
    if (last && last[0] === owner) last[2] = at + 1;
    else all.push([owner, at, at + 1]);
  });
  return all;
}

/** A piece of the ring between two places on it, 0 to 1. */
function arc(from: number, to: number): string {
  // half of the circle at most: an arc whose ends are the same is none
  if (to - from > 0.5) return arc(from, from + 0.5) + arc(from + 0.5, to);
  const [a, b] = [point(from, OUTER), point(to, OUTER)];
  const [c, d] = [point(to, INNER), point(from, INNER)];
  return `M${a}A${OUTER} ${OUTER} 0 0 1 ${b}L${c}A${INNER} ${INNER} 0 0 0 ${d}Z`;
}

function point(at: number, radius: number): string {
  const angle = 2 * Math.PI * at;
  return `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
}

function Key({ at, owner }: { at: number; owner: string }) {
  return (
    <g class="ring-key">
      <path d={`M${point(at, OUTER + 4)}L${point(at + 0.008, OUTER + 17)}L${point(at - 0.008, OUTER + 17)}Z`} />
      <path d={`M${point(at, OUTER + 4)}L${point(at, INNER - 6)}`} class="line" />
      <text text-anchor="middle" dominant-baseline="central">
        {owner.length > 14 ? `${owner.slice(0, 13)}…` : owner}
      </text>
    </g>
  );
}

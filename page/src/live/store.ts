/** What the page knows: the live document, and how well it is connected. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { watched } from "../router";
import type { Live } from "./contract";
import { merge } from "./merge";
import { Refused, follow } from "./stream";

/** `quiet` = nothing has come for some seconds and it is being found out whether anything is wrong; that is shown as live. */
export type Link =
  | { kind: "loading" }
  | { kind: "live" }
  | { kind: "stale"; since: number }
  | { kind: "lost"; since: number; why: string; retryAt: number };

export const live = signal<Live | undefined>(undefined);
export const link = signal<Link>({ kind: "loading" });

/** Whether there is anything to show. */
export const isKnown = computed(() => live.value !== undefined);
// a component that reads one of these is drawn again only when that part has changed
export const services = computed(() => live.value?.services);
export const listeners = computed(() => live.value?.listeners);
export const faults = computed(() => live.value?.faults);
export const recoveries = computed(() => live.value?.recoveries);
export const recovery = computed(() => live.value?.recovery);
export const reloadRefused = computed(() => live.value?.reload_refused);
export const certificatesRefused = computed(() => live.value?.certificates_refused);
export const cluster = computed(() => live.value?.cluster);
export const phase = computed(() => live.value?.phase);
export const about = computed(() => {
  const { version, started, config_generation: generation } = live.value ?? {};
  return version === undefined ? undefined : `${version}\n${started}\n${generation}`;
});
/** The service that the address names; `null` = there is none of this name, `undefined` = not known yet. */
export const details = computed(() => {
  const document = live.value;
  const name = watched.value;
  if (!document || name === undefined || answered.value !== name) return undefined;
  return document.service ?? null;
});

/** For which service the document was asked. */
const answered = signal<string | undefined>(undefined);

/** Without any sign for so long, the page asks whether the server is there. */
const SILENCE_MS = 5_000;
/** The first pause before another try; it doubles up to the longest one. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

let lastSign = 0;
let failures = 0;
let running: AbortController | undefined;
let retryTimer: ReturnType<typeof setTimeout> | undefined;

/** Begins to follow the server, and from then on whatever service the address names. */
export function start(): void {
  effect(() => {
    const name = watched.value;
    untracked(() => connect(name));
  });
  setInterval(() => void watch(), 1_000);
}

/** Tries again at once. */
export function retry(): void {
  connect(watched.peek());
}

/** Follows the server, with the details of a service. Where it knows none of this name it is followed without, until there is one. */
function connect(name: string | undefined, isUnknown = false): void {
  running?.abort();
  clearTimeout(retryTimer);
  const mine = new AbortController();
  running = mine;
  lastSign = Date.now();
  const query = name === undefined || isUnknown ? "" : `?service=${encodeURIComponent(name)}`;
  const listener = {
    sign: () => {
      lastSign = Date.now();
      if (link.peek().kind === "stale") link.value = { kind: "live" };
    },
    message: (event: string, data: string) => {
      if (mine.signal.aborted) return;
      take(event, JSON.parse(data), name);
      if (isUnknown && name !== undefined && live.peek()?.services[name]) connect(name);
    },
  };
  follow(`/api/v1/live${query}`, mine.signal, listener).then(
    () => mine.signal.aborted || lose("the server has ended the connection"),
    (error: unknown) => {
      if (mine.signal.aborted) return;
      // the session is over: the same address is the page to log in on
      if (error instanceof Refused && error.status === 401) location.reload();
      else if (error instanceof Refused && error.status === 404 && name !== undefined && !isUnknown) connect(name, true);
      else lose(error instanceof Refused ? error.message : "the server does not answer");
    },
  );
}

function take(event: string, data: unknown, name: string | undefined): void {
  failures = 0;
  batch(() => {
    if (event === "whole") live.value = data as Live;
    else if (event === "patch") live.value = merge(live.peek(), data) as Live;
    answered.value = name;
    if (link.peek().kind !== "live") link.value = { kind: "live" };
  });
}

function lose(why: string): void {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  failures += 1;
  const before = link.peek();
  const since = before.kind === "lost" || before.kind === "stale" ? before.since : lastSign;
  link.value = { kind: "lost", since, why, retryAt: Date.now() + pause };
  retryTimer = setTimeout(retry, pause);
}

/** When nothing changes, nothing is sent. So silence alone says nothing: whether the server still answers is what has to be asked. */
async function watch(): Promise<void> {
  const silence = Date.now() - lastSign;
  const kind = link.peek().kind;
  if (silence < SILENCE_MS || (kind !== "live" && kind !== "stale")) return;
  const asked = running;
  const answers = await fetch("/healthz", { signal: AbortSignal.timeout(900), cache: "no-store" }).then(
    (answer) => answer.ok,
    () => false,
  );
  if (running !== asked || link.peek().kind !== kind) return;
  if (answers) {
    lastSign = Date.now() - SILENCE_MS + 3_000;
    if (kind === "stale") link.value = { kind: "live" };
  } else if (kind === "live") {
    link.value = { kind: "stale", since: lastSign };
  }
}

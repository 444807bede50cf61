/** Fetches events: the last ones first, then each second those that are new, and older ones when asked for. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, csrf } from "../api";
import type { Event } from "./event";

export interface Wanted {
  level: string;
  kind: string;
  service: string;
}

export interface Feed {
  events: Event[];
  /** New ones that are not shown yet, because somebody is reading. */
  held: number;
  release: () => void;
  older: (() => void) | undefined;
  missed: number;
  error: string;
  isLoaded: boolean;
}

/** Events that are in the document at once. */
const SHOWN = 100;
/** The most that one question brings. */
const AT_ONCE = 1000;
const EVERY_MS = 1_000;
/** The more have come at once, the longer the pause: nobody can read a hundred a second, and drawing them takes time. */
const PAUSE_PER_EVENT_MS = 25;
/** Who has scrolled down further than this is reading. */
const READING_PX = 150;

interface State {
  events: Event[];
  fresh: Event[];
  missed: number;
  error: string;
  isLoaded: boolean;
  hasOlder: boolean;
}

const NOTHING: State = { events: [], fresh: [], missed: 0, error: "", isLoaded: false, hasOlder: false };

export function useEvents(wanted: Wanted): Feed {
  const [state, setState] = useState<State>(NOTHING);
  const newest = useRef(0);
  const filters = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== "")).toString();

  useEffect(() => {
    let isOver = false;
    newest.current = 0;
    setState(NOTHING);
    const look = async (): Promise<number> => {
      if (document.hidden) return 0;
      const first = newest.current === 0;
      try {
        const { events, missed } = await read(first ? `limit=${SHOWN}` : `limit=${AT_ONCE}&since=${newest.current}`, filters);
        if (isOver) return 0;
        newest.current = events.at(-1)?.id ?? newest.current;
        const isReading = scrollY > READING_PX || !(getSelection()?.isCollapsed ?? true);
        setState((before) => add(before, events.reverse(), first ? 0 : missed, first, isReading));
        return first ? 0 : events.length;
      } catch (problem) {
        if (!isOver) setState((before) => ({ ...before, error: (problem as Error).message, isLoaded: true }));
        return 0;
      }
    };
    let timer: ReturnType<typeof setTimeout>;
    const loop = () => look().then((came) => isOver || (timer = setTimeout(loop, EVERY_MS + Math.min(came, 200) * PAUSE_PER_EVENT_MS)));
    void loop();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [filters]);

  const older = async () => {
    const last = state.events.at(-1);
    if (!last) return;
    const { events } = await read(`limit=${SHOWN}&before=${last.id}`, filters);
    setState((before) => ({ ...before, events: [...before.events, ...events.reverse()], hasOlder: events.length === SHOWN }));
  };
  const release = () => {
    scrollTo(0, 0);
    setState((before) => ({ ...before, events: [...before.fresh, ...before.events].slice(0, SHOWN), fresh: [], hasOlder: true }));
  };
  const { events, fresh, missed, error, isLoaded, hasOlder } = state;
  return { events, held: fresh.length, release, older: hasOlder ? () => void older() : undefined, missed, error, isLoaded };
}

function add(before: State, events: Event[], missed: number, isFirst: boolean, isReading: boolean): State {
  const rest = { missed: before.missed + missed, error: "", isLoaded: true };
  if (events.length === 0 && before.isLoaded && before.error === "" && missed === 0) return before;
  if (isReading && !isFirst) return { ...before, ...rest, fresh: [...events, ...before.fresh].slice(0, AT_ONCE) };
  const all = [...events, ...before.fresh, ...before.events];
  return { ...rest, events: all.slice(0, SHOWN), fresh: [], hasOlder: isFirst ? events.length === SHOWN : before.hasOlder || all.length > SHOWN };
}

async function read(which: string, filters: string): Promise<{ events: Event[]; missed: number }> {
  const answer = await fetch(`/api/v1/events?${which}${filters ? `&${filters}` : ""}`, { signal: AbortSignal.timeout(10_000), cache: "no-store" });
  if (answer.status === 401 && csrf) location.reload();
  if (!answer.ok) {
    const { detail } = (await answer.json().catch(() => ({}))) as { detail?: string };
    throw new Problem(answer.status, detail ?? `The server answered ${answer.status}.`);
  }
  return { events: (await answer.json()) as Event[], missed: Number(answer.headers.get("Evenkeel-Events-Missed") ?? 0) };
}

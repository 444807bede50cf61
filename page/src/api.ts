/** Questions and orders to the admin API. */

import { useEffect, useState } from "preact/hooks";

/** What the server has put into the head of the page; in development it has put in nothing. */
function given(name: string): string {
  const content = document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)?.content ?? "";
  return content.startsWith("{") ? "" : content;
}

/** What a request that changes something shows beside the session's cookie; empty where nobody has to log in, and in development. */
export const csrf = given("csrf");

/** Whether one may change something; with a token that may only read, one may not. */
export const mayAct = given("may") !== "read";

/** How long an answer may take. The longest of ours, an order about an attempt, answers within 10 s. */
const PATIENCE_MS = 15_000;

/** An answer that is an error, with the sentence that the server gave (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export async function get<T>(path: string): Promise<T> {
  return (await ask(path, {})).json() as Promise<T>;
}

/** Has the server do something; gives back what it says. */
export async function order(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { "X-CSRF-Token": csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await ask(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return text === "" ? undefined : JSON.parse(text);
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" }).catch(() => {
    throw new Problem(0, "The server does not answer.");
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Problem(answer.status, await detail(answer));
  return answer;
}

async function detail(answer: Response): Promise<string> {
  const said = (await answer.json().catch(() => ({}))) as { detail?: string };
  return said.detail ?? `The server answered ${answer.status}.`;
}

export type Loaded<T> = { value?: T; error?: string; reload: () => void };

/**
 * What a path answers, asked again each `everyMs`. While the next answer is on its way the last one stays; another path begins anew. Without a path
 * nothing is asked.
 */
export function useAnswer<T>(path: string | undefined, everyMs: number): Loaded<T> {
  const [state, setState] = useState<{ path: string | undefined; value?: T; error?: string }>({ path });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === undefined) return;
    let isOver = false;
    const look = () =>
      get<T>(path).then(
        (value) => isOver || setState({ path, value }),
        (error: Error) => isOver || setState((before) => ({ ...(before.path === path ? before : { path }), error: error.message })),
      );
    void look();
    const timer = setInterval(() => document.hidden || void look(), everyMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [path, everyMs, turn]);
  const reload = () => setTurn((n) => n + 1);
  return state.path === path ? { ...state, reload } : { reload };
}

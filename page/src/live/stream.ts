/**
 * Reads server-sent events (HTML Living Standard, section 9.2) with `fetch`. `EventSource` would hide what this page needs to know: the status of
 * an answer (401 = log in again) and the comments that show that the server is alive when nothing changes.
 */

export interface Listener {
  /** A message has come. */
  message(event: string, data: string): void;
  /** Any bytes have come, a comment as well. */
  sign(): void;
}

/** The server has answered with something else than a stream. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** Reads until the stream ends or `signal` ends it. */
export async function follow(url: string, signal: AbortSignal, listener: Listener): Promise<void> {
  const answer = await fetch(url, { signal, headers: { Accept: "text/event-stream" }, cache: "no-store" });
  if (!answer.ok || !answer.body) throw new Refused(answer.status, `the server answered ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value: piece } = await reader.read();
    if (done) return;
    listener.sign();
    rest += piece;
    // looking for the end of a message only where bytes are new keeps a long first message from being searched again and again
    let end = rest.indexOf("\n\n", Math.max(0, rest.length - piece.length - 1));
    while (end >= 0) {
      tell(rest.slice(0, end), listener);
      rest = rest.slice(end + 2);
      end = rest.indexOf("\n\n");
    }
  }
}

function tell(message: string, listener: Listener): void {
  let event = "message";
  const data: string[] = [];
  for (const line of message.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  if (data.length > 0) listener.message(event, data.join("\n"));
}

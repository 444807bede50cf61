/** How good or bad something is. Each tone has a colour and a shape, and stands beside words: nothing is said by colour alone. */

import type { Backend, Fault, Maybe, Service } from "./live/contract";

export type Tone = "good" | "busy" | "off" | "warn" | "bad";

/** From the worst to the best, for sorting. */
export const ORDER: Tone[] = ["bad", "warn", "busy", "off", "good"];

/** A service that fails half of its requests is as good as down, whatever its backends say. */
const FAILING = 0.5;
/** From this share of failures on, a figure is marked. */
const MARKED = 0.01;

export interface Standing {
  tone: Tone;
  word: string;
  words: string;
}

export function ofService(service: Service): Standing {
  const { state, healthy, total, error_rate: errors } = service;
  const words = service.words || (healthy < total ? `${healthy} of ${total} backends take part` : "");
  if (state === "down") return { tone: "bad", word: healthy > 0 ? "failing" : "down", words };
  if ((errors ?? 0) >= FAILING) return { tone: "bad", word: "failing", words: words || "most requests fail" };
  if (service.maintenance) return { tone: "off", word: "maintenance", words };
  if (state === "impaired") return { tone: "warn", word: "impaired", words };
  // somebody has taken backends out on purpose; that is no trouble, and not all is well either
  if (healthy < total) return { tone: "off", word: "reduced", words };
  return { tone: "good", word: "ok", words };
}

export function isTrouble({ tone }: Standing): boolean {
  return tone === "bad" || tone === "warn";
}

/** "2 of 3" is never green. */
export function ofHealthy(healthy: number, total: number): Tone {
  if (healthy === 0) return "bad";
  return healthy < total ? "warn" : "good";
}

export function ofErrors(share: Maybe<number>): Tone {
  if (share == null || share < MARKED) return "good";
  return share >= FAILING ? "bad" : "warn";
}

const BACKEND: Record<string, Tone> = {
  up: "good",
  starting: "busy",
  unknown: "busy",
  draining: "off",
  disabled: "off",
  down: "bad",
  ejected: "bad",
  broken: "bad",
};

export function ofBackend(state: Backend["state"] | string): Tone {
  return BACKEND[state] ?? "warn";
}

/** What a backend's state means for its clients. */
export const MEANING: Record<string, string> = {
  up: "takes part",
  starting: "its share grows",
  unknown: "not checked yet, takes part",
  draining: "keeps its sessions, gets no new ones",
  disabled: "gets nothing",
  down: "not reachable, gets nothing",
  ejected: "taken out for a while for what real traffic showed",
  broken: "its circuit breaker is open, gets nothing for a while",
};

export function ofLevel(level: string): Tone {
  return level === "error" ? "bad" : level === "warn" ? "warn" : "good";
}

export function ofBudget(left: Maybe<number>): Tone {
  if (left == null) return "off";
  return left <= 0 ? "bad" : left < 0.25 ? "warn" : "good";
}

export function ofFault(fault: Fault): Tone {
  return fault.confidence >= 0.8 ? "bad" : "warn";
}

/** How many days before its end a certificate is a matter of concern. */
const CERTIFICATE_DAYS = 14;

export function ofCertificate(daysLeft: number): Tone {
  return daysLeft <= 0 ? "bad" : daysLeft <= CERTIFICATE_DAYS ? "warn" : "good";
}

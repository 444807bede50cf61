/** All acts. The paths are those of the admin API. */

import { order } from "../api";
import type { Backend, Maybe } from "../live/contract";
import type { Act, Said } from "./act";

type Command = "drain" | "disable" | "enable";

const backendPath = (service: string, id: string) =>
  `/api/v1/services/${encodeURIComponent(service)}/backends/${encodeURIComponent(id)}`;

/** The body of an order; what was not said is left out. */
function body({ reason, minutes }: Said): Record<string, unknown> {
  return {
    ...(reason.trim() ? { reason: reason.trim() } : {}),
    ...(minutes ? { until: new Date(Date.now() + minutes * 60_000).toISOString() } : {}),
  };
}

const CONSEQUENCE: Record<Command, string> = {
  drain: "It keeps its sessions and gets no new ones. What is under way goes on.",
  disable: "It gets nothing more; its sessions move to others.",
  enable: "What operators, the configuration or its agent said of draining does not hold any more.",
};
const PAST: Record<Command, string> = { drain: "is drained", disable: "is disabled", enable: "is enabled" };

export interface Target {
  service: string;
  id: string;
  backend: Backend;
  /** Whether nobody else could be used. */
  isLast: boolean;
}

export function command(word: Command, target: Target): Act {
  const { service, id, backend, isLast } = target;
  const send = (command: Command, said: unknown) => order("POST", `${backendPath(service, id)}/${command}`, said);
  const warning = word !== "enable" && isLast ? " No other backend can be used: the service will be down." : "";
  const verb = word[0]!.toUpperCase() + word.slice(1);
  return {
    title: `${verb} ${id} of ${service}?`,
    text: CONSEQUENCE[word] + warning,
    verb,
    done: `${service}/${id} ${PAST[word]}`,
    reason: "optional",
    time: "maybe",
    isGrave: word === "disable" || warning !== "",
    send: (said) => send(word, body(said)),
    undo: () => send(before(word, backend), {}),
  };
}

/** The command that leads back to how the backend stood. */
function before(word: Command, { state, by }: Backend): Command {
  const isSaid = by === "operator";
  if (isSaid && state === "draining" && word !== "drain") return "drain";
  if (isSaid && state === "disabled" && word !== "disable") return "disable";
  return "enable";
}

export function weight({ service, id, backend }: Target): Act {
  const send = (said: Record<string, unknown>) => order("PUT", backendPath(service, id), said);
  return {
    title: `Weight of ${id} of ${service}`,
    text: "Its share of the service's work, in relation to the others. 0 = no new work. Without a number: as configured.",
    verb: "Set",
    done: `The weight of ${service}/${id} is set`,
    reason: "optional",
    time: "maybe",
    weight: backend.weight,
    send: (said) => send({ ...body(said), weight: said.weight ?? null }),
    undo: () => send({ weight: backend.weight }),
  };
}

const maintenancePath = (service: string) => `/api/v1/services/${encodeURIComponent(service)}/maintenance`;

export function beginMaintenance(service: string): Act {
  return {
    title: `Maintenance of ${service}`,
    text: "What happens to the service meanwhile counts neither as up nor as down. Its traffic goes on.",
    verb: "Begin",
    done: `Maintenance of ${service} has begun`,
    reason: "required",
    time: "always",
    send: ({ reason, minutes }) => order("POST", maintenancePath(service), { minutes: minutes ?? 30, reason }),
    undo: () => order("DELETE", maintenancePath(service)),
  };
}

export function endMaintenance(service: string, running?: { until: string; reason: string }): Act {
  return {
    title: `End the maintenance of ${service}?`,
    text: "From now on its time and its requests count again.",
    verb: "End",
    done: `Maintenance of ${service} has ended`,
    reason: "none",
    send: () => order("DELETE", maintenancePath(service)),
    ...(running ? { undo: () => order("POST", maintenancePath(service), { until: running.until, reason: running.reason }) } : {}),
  };
}

export function pause(): Act {
  return {
    title: "Pause the recovery of all services?",
    text: "What is under way is stopped, and nothing new begins until it is resumed.",
    verb: "Pause",
    done: "Recovery is paused",
    reason: "optional",
    isGrave: true,
    send: (said) => order("POST", "/api/v1/recovery/pause", body(said)),
    undo: () => order("POST", "/api/v1/recovery/resume", {}),
  };
}

export function resume(reason: Maybe<string>): Act {
  return {
    title: "Resume the recovery of all services?",
    text: "Faults are repaired again.",
    verb: "Resume",
    done: "Recovery is resumed",
    reason: "optional",
    send: (said) => order("POST", "/api/v1/recovery/resume", body(said)),
    undo: () => order("POST", "/api/v1/recovery/pause", reason ? { reason } : {}),
  };
}

export type AttemptWord = "approve" | "refuse" | "undo" | "stop";

const ABOUT_ATTEMPT: Record<AttemptWord, [verb: string, text: string, done: string]> = {
  approve: ["Approve", "It is carried out now, as far as no brake holds it back.", "is approved"],
  refuse: ["Refuse", "It is dropped.", "is refused"],
  undo: ["Undo", "What it did is taken back.", "is taken back"],
  stop: ["Stop", "It ends now. What it did so far stays, unless it is undone.", "is stopped"],
};

/** What can be said of an attempt to repair something. `what` says in words what it is. */
export function attempt(word: AttemptWord, id: string, what: string): Act {
  const [verb, text, done] = ABOUT_ATTEMPT[word];
  const send = (word: AttemptWord, said: unknown) => order("POST", `/api/v1/recoveries/${encodeURIComponent(id)}/${word}`, said);
  return {
    title: `${verb} attempt ${id}?`,
    text: `${what}. ${text}`,
    verb,
    done: `Attempt ${id} ${done}`,
    reason: "optional",
    isGrave: word === "approve",
    send: (said) => send(word, body(said)),
    ...(word === "approve" ? { undo: () => send("stop", {}) } : {}),
  };
}

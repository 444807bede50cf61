/** What is wrong, the worst first. */

import { computed } from "@preact/signals";
import { cluster, phase, recoveries, recovery, services } from "../live/store";
import type { Service } from "../live/contract";
import { ORDER, type Standing, type Tone, isTrouble, ofService } from "../tone";
import { byName } from "../table/order";

export interface Trouble {
  name: string;
  standing: Standing;
  service: Service;
}

/** The services in trouble. */
export const troubles = computed<Trouble[]>(() => {
  const all = Object.entries(services.value ?? {}).map(([name, service]) => ({ name, service, standing: ofService(service) }));
  const bad = all.filter(({ standing }) => isTrouble(standing));
  return bad.sort((a, b) => ORDER.indexOf(a.standing.tone) - ORDER.indexOf(b.standing.tone) || byName(a.name, b.name));
});

/** The services whose error budget is spent, the most overspent first. That is no trouble of this moment, and makes no service impaired. */
export const spentBudgets = computed<[string, number][]>(() => {
  const all = Object.entries(services.value ?? {}).flatMap(([name, { budget_left: left }]): [string, number][] => (left != null && left <= 0 ? [[name, left]] : []));
  return all.sort((a, b) => a[1] - b[1] || byName(a[0], b[0]));
});

/** How many there are. */
export const troubleCount = computed(() => troubles.value.length);

/** How everything stands, in one sentence. It is the same object until that changes, although the figures of services do each second. */
export const verdict = computed<Verdict>(() => {
  const next = judge();
  if (next.tone !== last.tone || next.text !== last.text) last = next;
  return last;
});

/** What is read out when it changes: how everything stands, and the worst of it. */
export const announcement = computed(() => {
  const worst = troubles.value[0];
  const { text } = verdict.value;
  return worst ? `${text}. ${worst.name} is ${worst.standing.word}. ${worst.standing.words}` : text;
});

interface Verdict {
  tone: Tone;
  text: string;
}

let last: Verdict = { tone: "busy", text: "" };

function judge(): Verdict {
  const all = Object.values(services.value ?? {}).map(ofService);
  const number = (tone: Tone) => all.filter((standing) => standing.tone === tone).length;
  const [bad, warn] = [number("bad"), number("warn")];
  const total = all.length;
  if (phase.value === "starting") return { tone: "busy", text: "Starting: the first checks are not done yet" };
  if (total === 0) return { tone: "off", text: "No service is configured" };
  if (bad > 0) return { tone: "bad", text: `${several(bad, total)} down or failing${warn > 0 ? `, ${warn} impaired` : ""}` };
  if (warn > 0) return { tone: "warn", text: `${several(warn, total)} impaired` };
  if (phase.value === "draining") return { tone: "warn", text: "Draining: this process is about to stop" };
  return { tone: "good", text: total === 1 ? "The service is well" : `All ${total} services are well` };
}

function several(n: number, total: number): string {
  return total === 1 ? "The service is" : `${n} of ${total} services ${n === 1 ? "is" : "are"}`;
}

/** The repairs that wait for somebody who approves them. */
export const waiting = computed(() => Object.entries(recoveries.value ?? {}).filter(([, { waits_for_approval: waits }]) => waits));

/** Why no instance leads, in words, where one has to be elected; nothing outside of the instances is repaired then. */
export const noLeader = computed(() => {
  const it = cluster.value;
  return it?.elected && !it.leader && !it.leader_name ? (it.why_not ?? "no leader is known") : undefined;
});

/** Whether nothing is repaired because somebody has paused it. */
export const isPaused = computed(() => recovery.value?.paused ?? false);

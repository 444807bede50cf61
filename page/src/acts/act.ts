/** What an operator can do. An act knows how it is asked for, what it sends, and how it is taken back. */

import { signal } from "@preact/signals";

export interface Said {
  reason: string;
  /** For how many minutes it holds; `undefined` = until it is taken back. */
  minutes?: number;
  weight?: number | null;
}

export interface Act {
  /** The question in the dialog. */
  title: string;
  /** What follows from it. */
  text: string;
  /** The word on the button. */
  verb: string;
  /** What is said when it is done. */
  done: string;
  reason: "optional" | "required" | "none";
  /** Whether one says for how long it holds: not at all, maybe, or in any case. */
  time?: "maybe" | "always";
  /** The present weight, where a weight is to be given. */
  weight?: number;
  isGrave?: boolean;
  send: (said: Said) => Promise<unknown>;
  /** Takes it back. */
  undo?: () => Promise<unknown>;
}

/** The act that is asked about now. */
export const asked = signal<Act | undefined>(undefined);

export interface Toast {
  id: number;
  text: string;
  isBad: boolean;
  undo?: () => Promise<unknown>;
}

export const toasts = signal<Toast[]>([]);

/** How long a toast stays: long enough to read it and to see that one was wrong. One that tells of a failure stays until it is closed. */
const TOAST_MS = 12_000;
let lastToast = 0;

export function tell(text: string, undo?: () => Promise<unknown>, isBad = false): void {
  const id = ++lastToast;
  toasts.value = [...toasts.value.slice(-3), { id, text, isBad, ...(undo ? { undo } : {}) }];
  if (!isBad) setTimeout(() => close(id), TOAST_MS);
}

export function close(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Takes back what a toast tells of. */
export async function takeBack(toast: Toast): Promise<void> {
  close(toast.id);
  try {
    await toast.undo?.();
    tell(`Taken back: ${toast.text}`);
  } catch (error) {
    tell(`It could not be taken back: ${(error as Error).message}`, undefined, true);
  }
}

/** In which order rows stand, and which are left out. */

import type { Maybe } from "../live/contract";

export type Key = Maybe<number | string>;

export interface Sort {
  column: string;
  isDescending: boolean;
}

/** How long an order by moving figures holds, so that rows do not jump under the eyes of who reads them. */
const HOLD_MS = 5_000;

/** Sorts by keys, what is not known last; equal ones by their places. */
export function sorted<T>(rows: readonly T[], key: (row: T) => Key, place: (row: T) => number, isDescending: boolean): T[] {
  const keyed = rows.map((row) => ({ row, key: key(row), place: place(row) }));
  const sign = isDescending ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.key == null || b.key == null) {
      if (a.key != b.key) return a.key == null ? 1 : -1;
    } else if (a.key !== b.key) {
      return (a.key < b.key ? -1 : 1) * sign;
    }
    return a.place - b.place;
  });
  return keyed.map(({ row }) => row);
}

const collator = new Intl.Collator("en", { numeric: true });

export function byName(a: string, b: string): number {
  return a === b ? 0 : collator.compare(a, b);
}

/** The place of each name in the order of names. Comparing names as people do is slow, so it is not done for each sort. */
export function places(names: string[]): Map<string, number> {
  return new Map(names.sort(byName).map((name, at) => [name, at]));
}

/**
 * An order that is kept for a while. Other `inputs` (which rows there are, how to sort them) change it in any case, other `ranks` (how bad each row is)
 * as soon as rows may move, and other figures when it is old enough besides.
 */
export class HeldOrder {
  private inputs: readonly unknown[] = [];
  private ranks = "";
  private order: string[] = [];
  private madeAt = -Infinity;

  /** The names in order, made anew when that is due and `mayMove`. */
  get(inputs: readonly unknown[], ranks: string, now: number, mayMove: boolean, make: () => string[]): string[] {
    const isOther = inputs.length !== this.inputs.length || inputs.some((input, at) => input !== this.inputs[at]);
    if (isOther || (mayMove && (ranks !== this.ranks || now - this.madeAt >= HOLD_MS))) {
      this.inputs = inputs;
      this.ranks = ranks;
      this.madeAt = now;
      this.order = make();
    }
    return this.order;
  }
}

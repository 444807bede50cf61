/** Which rows of a long table are in the document: those on the screen, some around them, and the one that has the focus. */

import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

/** A table of up to so many rows is in the document as a whole. */
const SMALL = 60;
/** Rows above and below the screen, so that scrolling shows no gap. The range moves in steps of this size. */
const MARGIN = 4;

export interface Range {
  from: number;
  to: number;
  rowHeight: number;
}

/** The range of rows around the screen. The page itself is what scrolls. */
export function useRange(body: RefObject<HTMLTableSectionElement | null>, total: number): Range {
  const [range, setRange] = useState<Range>({ from: 0, to: SMALL, rowHeight: 44 });
  useLayoutEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      const element = body.current;
      if (element) setRange((before) => settle(before, around(element, total)));
    };
    const ask = () => {
      asked ||= requestAnimationFrame(look);
    };
    look();
    // what stands above the table may grow and shrink, and then other rows are on the screen
    const resized = new ResizeObserver(ask);
    resized.observe(document.body);
    if (total > SMALL) addEventListener("scroll", ask, { passive: true });
    addEventListener("resize", ask);
    return () => {
      cancelAnimationFrame(asked);
      resized.disconnect();
      removeEventListener("scroll", ask);
      removeEventListener("resize", ask);
    };
  }, [total]);
  return range;
}

function around(body: HTMLTableSectionElement, total: number): Range {
  const rowHeight = body.querySelector<HTMLElement>("tr[data-id]")?.offsetHeight || 44;
  if (total <= SMALL) return { from: 0, to: total, rowHeight };
  const above = -body.getBoundingClientRect().top;
  const step = (row: number) => Math.floor(row / MARGIN) * MARGIN;
  const from = step(above / rowHeight) - MARGIN;
  const to = step((above + innerHeight) / rowHeight) + 2 * MARGIN;
  return { from: clamp(from, total), to: clamp(to, total), rowHeight };
}

function settle(before: Range, next: Range): Range {
  const isSame = before.from === next.from && before.to === next.to && before.rowHeight === next.rowHeight;
  return isSame ? before : next;
}

function clamp(row: number, total: number): number {
  return Math.max(0, Math.min(total, row));
}

/** The numbers of the rows in the range, and that of the row with the focus, in order. */
export function shownRows({ from, to }: Range, total: number, focused: number): number[] {
  const rows: number[] = [];
  if (focused >= 0 && focused < from && focused < total) rows.push(focused);
  for (let row = from; row < Math.min(to, total); row += 1) rows.push(row);
  if (focused >= to && focused < total) rows.push(focused);
  return rows;
}

/** A table that may have 10,000 rows: it can be sorted and filtered, and only the rows around the screen are in the document. */

import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { Filter, Head, SortChoice } from "./head";
import { HeldOrder, type Key, type Sort, places, sorted } from "./order";
import { Row } from "./row";
import { shownRows, useRange } from "./window";

export interface Column<T> {
  id: string;
  head: string;
  /** In rem; without one the column takes what is left. */
  width?: number;
  isNumber?: boolean;
  /** On which screens it is left out: narrower than 80 rem (1), than 100 rem (2), than 120 rem (3). A card on a phone has those with 0 only. */
  from?: 0 | 1 | 2 | 3;
  /** On a phone it takes the whole width of the card. */
  isWide?: boolean;
  cell: (row: T, id: string) => ComponentChildren;
  /** Without it one can't sort by this column. */
  key?: (row: T, id: string) => Key;
  /** Whether sorting begins with the largest. */
  isDescending?: boolean;
}

interface Props<T> {
  /** What the rows are, in the plural. */
  what: string;
  rows: Record<string, T>;
  columns: Column<T>[];
  /** By which column it is sorted first. */
  first: string;
  /** What the filter looks into. */
  text: (row: T, id: string) => string;
  /** What decides about the order at once when it changes, such as how bad a row is; figures decide each few seconds only. */
  rank?: (row: T) => Key;
  /** What is said when there are no rows at all. */
  empty: ComponentChildren;
  /** More above the table, beside the filter. */
  beside?: ComponentChildren;
  /** Of a class of its own, for the style sheet. */
  name: string;
}

export function Table<T>({ what, rows, columns, first, text, rank, empty, beside, name }: Props<T>) {
  const [sort, setSort] = useState<Sort>(() => beginWith(columns, first));
  const [filter, setFilter] = useState("");
  const [focused, setFocused] = useState<string>();
  const table = useRef<HTMLTableElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const held = useRef(new HeldOrder());

  const column = columns.find(({ id }) => id === sort.column);
  const wanted = filter.trim().toLowerCase();
  const all = Object.entries(rows);
  const found = wanted ? all.filter(([id, row]) => text(row, id).toLowerCase().includes(wanted)) : all;
  const place = useMemo(() => places(Object.keys(rows)), [all.length, all[0]?.[0], all.at(-1)?.[0]]);
  const key = ([id, row]: [string, T]) => column?.key?.(row, id);
  const ranks = rank ? found.map(([, row]) => rank(row)).join() : "";
  const inputs = [sort, wanted, found.length, found[0]?.[0], found.at(-1)?.[0]];
  const order = held.current.get(inputs, ranks, Date.now(), !isInUse(table.current), () =>
    sorted(found, key, ([id]) => place.get(id) ?? Infinity, sort.isDescending).map(([id]) => id),
  );

  const range = useRange(body, order.length);
  const focusedAt = focused === undefined ? -1 : order.indexOf(focused);
  if (all.length === 0) return <p class="empty">{empty}</p>;
  const shown = shownRows(range, order.length, focusedAt);
  return (
    <div class="table-box">
      <div class="table-tools">
        <Filter what={what} value={filter} set={setFilter} found={order.length} total={all.length} />
        <SortChoice columns={columns as Column<unknown>[]} sort={sort} set={setSort} />
        {beside}
      </div>
      <table
        ref={table}
        class={`table ${name}`}
        aria-label={what}
        aria-rowcount={order.length + 1}
        onFocusIn={(event) => setFocused(rowOf(event.target))}
        onFocusOut={() => setFocused(undefined)}
        onKeyDown={(event) => move(event, order, focusedAt, body.current, range.rowHeight, setFocused)}
      >
        <Head columns={columns as Column<unknown>[]} sort={sort} set={setSort} />
        <tbody ref={body}>
          {/* one flat list: a row that stays keeps its element, and with it focus and selection, wherever it moves to */}
          {shown.flatMap((at, place) => {
            const id = order[at]!;
            const gap = at - (place === 0 ? 0 : shown[place - 1]! + 1);
            const row = rows[id];
            return [
              gap > 0 && <Gap key={`before ${id}`} height={gap * range.rowHeight} span={columns.length} />,
              row !== undefined && <Row key={id} id={id} at={at} row={row} columns={columns as Column<unknown>[]} />,
            ];
          })}
          <Gap key="end" height={(order.length - 1 - (shown.at(-1) ?? -1)) * range.rowHeight} span={columns.length} />
        </tbody>
      </table>
      {order.length === 0 && <p class="empty">Nothing among {all.length} {what} has “{filter.trim()}”.</p>}
    </div>
  );
}

/** The room of rows that are not in the document. */
function Gap({ height, span }: { height: number; span: number }) {
  if (height <= 0) return null;
  return (
    <tr class="gap" aria-hidden="true">
      <td colSpan={span} style={{ height: `${height}px` }} />
    </tr>
  );
}

function beginWith<T>(columns: Column<T>[], id: string): Sort {
  return { column: id, isDescending: columns.find((column) => column.id === id)?.isDescending ?? false };
}

/** Somebody has selected text in the table, or moves through it: its rows stay where they are. */
function isInUse(table: HTMLTableElement | null): boolean {
  if (!table) return false;
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.anchorNode && table.contains(selection.anchorNode)) return true;
  return table.contains(document.activeElement);
}

function rowOf(target: EventTarget | null): string | undefined {
  return target instanceof Element ? target.closest<HTMLElement>("tr[data-id]")?.dataset["id"] : undefined;
}

/** Moves the focus from row to row with the arrow keys, by pages, and to both ends. */
function move(
  event: KeyboardEvent,
  order: string[],
  from: number,
  body: HTMLTableSectionElement | null,
  rowHeight: number,
  setFocused: (id: string) => void,
): void {
  if (from < 0 || !body || event.altKey || event.ctrlKey || event.metaKey) return;
  const page = Math.max(1, Math.floor(innerHeight / rowHeight) - 2);
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -from, End: order.length };
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const at = Math.max(0, Math.min(order.length - 1, from + step));
  const id = order[at];
  if (id === undefined) return;
  setFocused(id);
  requestAnimationFrame(() => {
    const row = body.querySelector(`tr[data-id="${CSS.escape(id)}"]`);
    row?.querySelector<HTMLElement>("a, button")?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  });
}

import type { ComponentChildren } from "preact";
import { type Root, memo } from "../parts/memo";
import type { Column } from "./table";

interface Props {
  id: string;
  at: number;
  row: unknown;
  columns: Column<unknown>[];
}

/** One row. It is drawn again only when what it shows is another object than before. The roles are said because cards on a phone are no table for a browser. */
export const Row = memo(function Row({ root, id, at, row, columns }: Props & Root) {
  return (
    <tr ref={root} role="row" data-id={id} aria-rowindex={at + 2}>
      {columns.map((column) => (
        <Cell key={column.id} column={column}>
          {column.cell(row, id)}
        </Cell>
      ))}
    </tr>
  );
});

function Cell({ column, children }: { column: Column<unknown>; children: ComponentChildren }) {
  return (
    <td role="cell" class={classOf(column)} data-head={column.head}>
      {children}
    </td>
  );
}

export function classOf({ id, isNumber, from = 0, isWide }: Column<unknown>): string {
  return `c-${id} from-${from}${isNumber ? " number" : ""}${isWide ? " wide" : ""}`;
}

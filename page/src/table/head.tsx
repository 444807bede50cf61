/** What stands above the rows: the filter, the choice of an order, and the heads of the columns. */

import type { Sort } from "./order";
import { classOf } from "./row";
import type { Column } from "./table";

interface SortProps {
  columns: Column<unknown>[];
  sort: Sort;
  set: (sort: Sort) => void;
}

export function Head({ columns, sort, set }: SortProps) {
  return (
    <thead>
      <tr role="row">
        {columns.map((column) => (
          <th
            key={column.id}
            role="columnheader"
            scope="col"
            class={classOf(column)}
            style={column.width ? { width: `${column.width}rem` } : {}}
            {...(sort.column === column.id ? { "aria-sort": sort.isDescending ? "descending" : "ascending" } : {})}
          >
            {column.key ? (
              <button type="button" onClick={() => set(next(column, sort))}>
                {column.head}
              </button>
            ) : (
              column.head
            )}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function next(column: Column<unknown>, sort: Sort): Sort {
  const isSame = sort.column === column.id;
  return { column: column.id, isDescending: isSame ? !sort.isDescending : (column.isDescending ?? false) };
}

/** The heads of the columns are not shown on a phone; this is how one sorts there. */
export function SortChoice({ columns, sort, set }: SortProps) {
  const choose = (id: string) => {
    const column = columns.find((candidate) => candidate.id === id);
    if (column) set({ column: id, isDescending: column.isDescending ?? false });
  };
  return (
    <label class="sort-choice">
      Sort by{" "}
      <select value={sort.column} onChange={(event) => choose(event.currentTarget.value)}>
        {columns
          .filter(({ key }) => key)
          .map(({ id, head }) => (
            <option key={id} value={id}>
              {head}
            </option>
          ))}
      </select>
    </label>
  );
}

interface FilterProps {
  what: string;
  value: string;
  set: (text: string) => void;
  found: number;
  total: number;
}

export function Filter({ what, value, set, found, total }: FilterProps) {
  return (
    <label class="filter">
      <span class="hidden">Filter {what}</span>
      <input
        type="search"
        placeholder={`Filter ${what}`}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          set("");
          event.currentTarget.blur();
        }}
        aria-keyshortcuts="/"
      />
      <span class="soft" role="status">
        {value.trim() ? `${found} of ${total}` : `${total} ${total === 1 ? what.replace(/s$/, "") : what}`}
      </span>
    </label>
  );
}

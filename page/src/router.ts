/** Which view the address names, after its `#`. */

import { computed, signal } from "@preact/signals";

export interface Place {
  /** The first part; empty = the overview. */
  view: string;
  rest: string[];
}

function read(): Place {
  const [view = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return { view, rest: rest.filter((part) => part !== "") };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const place = signal<Place>(read());

/** The service whose details the view needs. */
export const watched = computed(() => (place.value.view === "service" ? place.value.rest[0] : undefined));

/** The address of a view. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** How far each view was scrolled when it was left, for the way back. */
const positions = new Map<string, number>();
let isNew = false;
let shown = location.hash;

/** Follows the address. A link leads to the top of its view; "back" leads to where one was. */
export function follow(): void {
  history.scrollRestoration = "manual";
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest('a[href^="#"]')) isNew = true;
  });
  document.addEventListener("scroll", () => positions.set(shown, scrollY), { passive: true });
  addEventListener("hashchange", () => {
    const top = isNew ? 0 : (positions.get(location.hash) ?? 0);
    isNew = false;
    shown = location.hash;
    place.value = read();
    requestAnimationFrame(() => {
      scrollTo(0, top);
      document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    });
  });
}

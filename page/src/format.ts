/** Numbers and times for people. What is not known is a dash. */

import type { Maybe } from "./live/contract";

export const NOTHING = "–";

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count. */
export function count(n: Maybe<number>): string {
  return n == null ? NOTHING : whole.format(n);
}

/** Something per second. */
export function rate(n: Maybe<number>): string {
  if (n == null) return NOTHING;
  return n >= 1000 ? whole.format(n) : plain.format(n);
}

export function ms(n: Maybe<number>): string {
  if (n == null) return NOTHING;
  return n >= 1000 ? `${plain.format(n / 1000)} s` : `${plain.format(n)} ms`;
}

/** A share of failures. It is never rounded to none. */
export function failed(share: Maybe<number>): string {
  if (share == null) return NOTHING;
  if (share > 0 && share < 1e-5) return "< 0.001 %";
  return percent(share);
}

/** A share, cut off and never rounded up: 99.9996 % is not shown as 100 %. */
export function percent(share: Maybe<number>): string {
  if (share == null) return NOTHING;
  const hundredths = share * 100;
  const places = Math.abs(hundredths) >= 10 ? (hundredths > 99 && hundredths < 100 ? 3 : 1) : 2;
  const cut = Math.floor(Math.abs(hundredths) * 10 ** places + 1e-9) / 10 ** places;
  return `${hundredths < 0 && cut > 0 ? "−" : ""}${whole.format(Math.trunc(cut))}${fraction(cut, places)} %`;
}

function fraction(n: number, places: number): string {
  return n.toFixed(places).replace(/^\d+/, "").replace(/\.?0+$/, "");
}

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** The two largest units of a time: `2 h 5 min`. */
export function duration(seconds: Maybe<number>): string {
  if (seconds == null) return NOTHING;
  if (seconds < 10 && seconds % 1 !== 0) return `${seconds.toFixed(1)} s`;
  const from = Math.max(0, UNITS.findIndex(([size]) => seconds >= size));
  if (seconds < 1) return "0 s";
  let left = Math.round(seconds);
  const parts = UNITS.slice(from, from + 2).map(([size, name]) => {
    const n = Math.floor(left / size);
    left -= n * size;
    return n > 0 ? `${n} ${name}` : "";
  });
  return parts.filter(Boolean).join(" ");
}

/** How long ago. */
export function ago(time: Maybe<string>, now: number): string {
  if (!time) return NOTHING;
  const seconds = (now - Date.parse(time)) / 1000;
  return seconds < 1 ? "just now" : `${duration(Math.floor(seconds))} ago`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** The time of day, with the date where that is another one than today's. */
export function clock(time: Maybe<string | number>): string {
  if (time == null || time === "") return NOTHING;
  const at = new Date(time);
  const day = at.toDateString() === new Date().toDateString() ? "" : `${dayFormat.format(at)} `;
  return day + clockFormat.format(at);
}

export function date(time: Maybe<string>): string {
  return time ? dateFormat.format(new Date(time)) : NOTHING;
}

/** `high_error_rate` as words. */
export function words(name: Maybe<string>): string {
  return (name ?? "").replaceAll("_", " ");
}

/** Numbers and times for people. What is not known is a dash. */

import type { Maybe } from "./live/contract";

export const NOTHING = "–";

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
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

/** What is left of a budget, cut to the worse side: with one decimal, and without one from 1,000 % on. The report and `evenkeel top` cut to the same side. */
export function budget(left: Maybe<number>): string {
  if (left == null) return NOTHING;
  const tenths = Math.floor(left * 1000 + 1e-9);
  const cut = tenths <= -10_000 ? Math.floor(tenths / 10) : tenths / 10;
  return `${cut < 0 ? "−" : ""}${tenth.format(Math.abs(cut))} %`;
}

/** What may be lost of so many requests, cut off: whole ones, tenths below ten, and below one the first two digits. It is 0 only where nothing may be lost. */
export function few(requests: number): string {
  if (requests >= 10) return whole.format(Math.floor(requests));
  let places = 1;
  while (requests < 1 && places < 12 && requests * 10 ** places < 10) places++;
  return String(+(Math.floor(requests * 10 ** places + 1e-6) / 10 ** places).toFixed(places));
}

/** An availability, cut off: with at least two decimals, and so many that the first two digits of what is missing show, as in the report. */
export function availability(share: Maybe<number>): string {
  if (share == null) return NOTHING;
  if (share >= 1) return "100 %";
  let places = 2;
  while (places < 10 && (1 - share) * 100 * 10 ** places < 10 - 1e-3) places++;
  const cut = Math.floor(share * 100 * 10 ** places + 1e-4) / 10 ** places;
  return `${cut.toFixed(places).replace(/\.?0+$/, "")} %`;
}

/** A target with all its digits: none is rounded, so it is never shown as 100 %. */
export function target(share: number): string {
  const [whole = "0", rest = ""] = String(share).split(".");
  const digits = rest.padEnd(2, "0");
  const moved = `${whole}${digits.slice(0, 2)}.${digits.slice(2)}`.replace(/\.$/, "").replace(/^0+(?=\d)/, "");
  return `${moved} %`;
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

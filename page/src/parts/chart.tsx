/** The last hour as curves. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { useAnswer } from "../api";
import { NOTHING, failed, ms, rate } from "../format";
import type { History, Maybe } from "../live/contract";
import { type Root, memo } from "./memo";

type Values = Maybe<number>[];
interface Curve {
  name: string;
  /** The name of its colour in the style sheet. */
  colour: string;
  values: Values;
  dashed?: boolean;
}

/** A new point comes each 10 s. */
const EVERY_MS = 10_000;
const HOUR_S = 3_600;
/** Of a process that has run for less than an hour, the time since then is shown, but at least so much. */
const SHORTEST_S = 120;
/** Between two times below a curve. */
const MINUTES = [1, 2, 5, 10, 15, 30];
/** In rem. */
const HEIGHT = 7.5;

/** Traffic, failures and latency of a service, or of all, in the last hour. */
export const LastHour = memo(function LastHour({ root, service }: { service?: string } & Root) {
  const query = service === undefined ? "" : `?service=${encodeURIComponent(service)}`;
  const { value: history, error } = useAnswer<History>(`/api/v1/history${query}`, EVERY_MS);
  if (error && !history) return <p class="empty">The last hour is not known: {error}</p>;
  const of = (values: keyof History) => (history ? (history[values] as Values) : []);
  const errors: Curve[] = [{ name: "failed", colour: "--bad", values: of("error_rate") }];
  const latencies: Curve[] = [
    { name: "p50", colour: "--accent", values: of("p50_ms") },
    { name: "p99", colour: "--ink-soft", values: of("p99_ms"), dashed: true },
  ];
  return (
    <div ref={root} class="charts">
      <Chart title="Requests a second" history={history} show={rate} least={1} curves={[{ name: "rate", colour: "--accent", values: of("rate") }]} />
      <Chart title="Failed" history={history} show={failed} least={0.01} curves={errors} />
      <Chart title="Latency: p50, p99 dashed" history={history} show={ms} least={1} curves={latencies} />
    </div>
  );
});

interface Props {
  title: string;
  history: History | undefined;
  curves: Curve[];
  show: (value: Maybe<number>) => string;
  /** The scale reaches up to this at least, so that next to nothing looks like that. */
  least: number;
}

function Chart({ title, history, curves, show, least }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const times = history ? timesOf(history) : [];
  const data = [times, ...curves.map((curve) => curve.values.map((value) => value ?? null))] as uPlot.AlignedData;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element.clientWidth, curves, show, least), dataNow.current, element);
    };
    make();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT * rem() }));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);
  const dataNow = useRef(data);
  dataNow.current = data;
  useEffect(() => plot.current?.setData(data), [history]);

  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span> <strong>{curves.map((curve) => show(curve.values.at(-1))).join(" · ")}</strong>
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={describe(title, curves, show)} />
    </figure>
  );
}

function timesOf({ end, step_s: step, rate: points }: History): number[] {
  const last = Date.parse(end) / 1000;
  return points.map((_, at) => last - (points.length - 1 - at) * step);
}

/** What the curves show, for who can't see them. */
function describe(title: string, curves: Curve[], show: Props["show"]): string {
  const each = curves.map(({ name, values }) => {
    const known = values.filter((value) => value != null);
    if (known.length === 0) return `${name}: nothing measured`;
    return `${name}: now ${show(values.at(-1))}, at least ${show(Math.min(...known))}, at most ${show(Math.max(...known))}`;
  });
  return `${title} in the last hour. ${each.join("; ")}`;
}

function options(width: number, curves: Curve[], show: Props["show"], least: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const unit = rem();
  const font = `${0.7 * unit}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--ink-soft"), font, ticks: { show: false }, grid: { stroke: colour("--line"), width: 1 } };
  return {
    width,
    height: HEIGHT * unit,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 } },
    padding: [8, 1.3 * unit, 0, 0],
    scales: { x: { range: (plot) => timeRange(plot.data) }, y: { range: (_, __, max) => [0, Math.max(least, (max ?? 0) * 1.15)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 1.4 * unit, space: 4 * unit, incrs: MINUTES.map((minutes) => minutes * 60), values: (_, ticks) => ticks.map(hourAndMinute) },
      { ...axis, size: 3.7 * unit, space: 2.2 * unit, values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "0" : show(tick))) },
    ],
    series: [
      {},
      ...curves.map((curve) => ({
        stroke: colour(curve.colour),
        width: 1.5,
        points: { show: false },
        ...(curve.dashed ? { dash: [4, 3] } : { fill: `${colour(curve.colour)}1f` }),
      })),
    ],
    hooks: { setCursor: [(plot) => point(plot, show)] },
  };
}

/** The time that is shown, up to the last point: it begins an hour ago, or with the first point that is known. */
function timeRange([times, ...curves]: uPlot.AlignedData): uPlot.Range.MinMax {
  const last = times.at(-1) ?? Date.now() / 1000;
  const first = times.findIndex((_, at) => curves.some((values) => values[at] != null));
  return [Math.max(last - HOUR_S, Math.min(times[first] ?? last, last - SHORTEST_S)), last];
}

/** The size of a letter in pixels; it grows with the screen. */
function rem(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

function hourAndMinute(time: number): string {
  const at = new Date(time * 1000);
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
}

/** Writes the figures under the pointer into the title of the chart. */
function point(plot: uPlot, show: Props["show"]): void {
  const { idx } = plot.cursor;
  const [times, ...curves] = plot.data;
  const time = idx == null ? undefined : times?.[idx];
  plot.root.dataset["at"] =
    idx == null || time === undefined ? "" : `${hourAndMinute(time)}  ${curves.map((values) => show(values[idx]) || NOTHING).join(" · ")}`;
}

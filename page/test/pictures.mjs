/**
 * Takes pictures of the views, to be looked at: `node test/pictures.mjs [folder [part of a name, such as phone-dark]...]`. They are of a made-up fleet, or with
 * EVENKEEL=http://127.0.0.1:9900 of a process that runs.
 */

import { mkdir } from "node:fs/promises";
import { isDrawn, open, openAt, quit } from "./browser.mjs";
import { trouble } from "./trouble.mjs";
import { VIEWS } from "./views.mjs";

const folder = process.argv[2] ?? new URL("pictures", import.meta.url).pathname;
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 }, wall: { width: 3840, height: 2160 } };
const only = process.argv.slice(3);
const url = process.env.EVENKEEL;

await mkdir(folder, { recursive: true });
const views = url ? await viewsOf(url) : VIEWS;
for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    const named = Object.entries(views).map(([view, hash]) => [`${view}-${size}-${colorScheme}`, hash]);
    const wanted = named.filter(([name]) => only.length === 0 || only.some((part) => name.includes(part)));
    if (wanted.length === 0) continue;
    const { page, mock, context } = url ? await openAt(url, { viewport, colorScheme }) : await open({ services: 12, backends: 3, eventsPerMinute: 600 }, { viewport, colorScheme });
    if (mock) trouble(mock);
    await isDrawn(page);
    for (const [name, hash] of wanted) {
      await page.evaluate((to) => (location.hash = to), hash);
      await page.waitForTimeout(900);
      await page.screenshot({ path: `${folder}/${name}.png`, fullPage: size !== "wall" });
    }
    await context.close();
    await mock?.close();
  }
}
await quit();

/** The views of what a process has: the service and the backend that are worst, and the last attempt at a repair. */
async function viewsOf(address) {
  const ask = async (path) => (await fetch(address + path)).json();
  const rank = (state) => ["down", "impaired", "ejected", "broken", "starting"].indexOf(state) >>> 0;
  const worst = (all) => Object.entries(all).sort(([, a], [, b]) => rank(a.state) - rank(b.state))[0]?.[0];
  const service = worst((await ask("/api/v1/live")).services);
  const backend = worst((await ask(`/api/v1/live?service=${encodeURIComponent(service)}`)).service.backends);
  const [attempt] = await ask("/api/v1/recoveries?limit=1");
  const { ring, ...others } = VIEWS;
  const own = { service: `#/service/${service}`, backend: `#/service/${service}/${backend}`, promise: `#/sla/${service}`, recovery: `#/recoveries/${attempt?.id ?? 1}` };
  return { ...others, ...own };
}

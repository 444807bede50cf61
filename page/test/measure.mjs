/**
 * Measures the page in front of a large fleet: `node test/measure.mjs`. It prints the time to the first paint, the share of a core that the tab
 * takes on each view, and the sizes of the files. The figures are of the machine that it runs on, so this is no test.
 */

import { stat } from "node:fs/promises";
import { isDrawn, launch, openAt, quit } from "./browser.mjs";
import { spawn } from "node:child_process";
import { once } from "node:events";

const SECONDS = Number(process.env.SECONDS ?? 20);

/** A made-up fleet in a process of its own, so that what it takes is not counted. */
async function serve(services, backends) {
  const server = spawn(process.execPath, [new URL("../mock/server.mjs", import.meta.url).pathname, "--port", "0", "--services", services, "--backends", backends], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await once(server.stdout, "data");
  return { url: String(text).match(/http:\S+\d/)[0], stop: () => server.kill() };
}

/** The processor time, in seconds, that all renderers have taken. Unlike the duration of tasks it does not grow when the machine is busy. */
async function processorTime() {
  const session = await (await launch()).newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function firstPaint(url) {
  const times = [];
  for (let n = 0; n < 5; n += 1) {
    const { page, context } = await openAt(url);
    await isDrawn(page);
    const paint = await page.evaluate(() => performance.getEntriesByType("paint").find(({ name }) => name === "first-contentful-paint")?.startTime);
    const rows = await page.evaluate(async () => {
      while (!document.querySelector("tr[data-id]")) await new Promise(requestAnimationFrame);
      return performance.now();
    });
    times.push([paint, rows]);
    await context.close();
  }
  times.sort(([a], [b]) => a - b);
  const [paint, rows] = times[2];
  console.log(`first paint ${paint.toFixed(0)} ms, first rows seen by ${rows.toFixed(0)} ms (medians of 5)`);
}

async function share(url, name, hash) {
  const { page, context } = await openAt(url);
  await isDrawn(page);
  await page.evaluate((to) => (location.hash = to), hash);
  await page.waitForTimeout(3_000);
  const [before, began] = [await processorTime(), performance.now()];
  await page.waitForTimeout(SECONDS * 1_000);
  const spent = (100_000 * ((await processorTime()) - before)) / (performance.now() - began);
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  console.log(`${name}: ${spent.toFixed(2)} % of a core, ${nodes} elements`);
  await context.close();
}

for (const file of ["index.html", "page.js", "page.css"]) {
  const { size } = await stat(new URL(`../../src/admin/assets/${file}`, import.meta.url));
  console.log(`${file}: ${(size / 1000).toFixed(1)} KB`);
}
const fleet = await serve(100, 100);
await firstPaint(fleet.url);
await share(fleet.url, "overview, 100 services", "#/");
await share(fleet.url, "a service with 100 backends", "#/service/api");
await share(fleet.url, "a backend", "#/service/api/b1");
await share(fleet.url, "events, 5,000 a minute", "#/events");
fleet.stop();
const large = await serve(1, 10_000);
await share(large.url, "a service with 10,000 backends", "#/service/api");
large.stop();
await quit();

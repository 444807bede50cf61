/** Takes pictures of the views, to be looked at: `node test/pictures.mjs [folder]`. */

import { mkdir } from "node:fs/promises";
import { isDrawn, open, quit } from "./browser.mjs";

const folder = process.argv[2] ?? new URL("pictures", import.meta.url).pathname;
const VIEWS = { overview: "#/", service: "#/service/api", backend: "#/service/api/b", events: "#/events", faults: "#/faults", recoveries: "#/recoveries", recovery: "#/recoveries/17", sla: "#/sla", promise: "#/sla/api", routes: "#/routes", listeners: "#/listeners", certificates: "#/certificates" };
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 }, wall: { width: 3840, height: 2160 } };
const only = process.argv.slice(3);

/** Some trouble of each kind. */
export function trouble({ fleet, events }) {
  fleet.set("api", "b", "ejected", "41 % of its requests failed, of its peers' 0 %", "outlier");
  fleet.set("web", "c", "down", "connection refused");
  for (const id of ["a", "b", "c"]) fleet.fail("checkout", id, 1);
  fleet.set("search", "a", "draining", "a new disk", "operator");
  fleet.set("search", "b", "starting", "", "slow_start");
  fleet.faults.set("api/b high_error_rate", { service: "api", backend: "b", fault: "high_error_rate", confidence: 0.91, since: new Date(Date.now() - 12_000).toISOString(), text: "fails 41 % of its requests" });
  fleet.recoveries.set("18", { service: "api", backend: "b", fault: "unresponsive", strategy: "restart", phase: "proposed", text: "restart: effectiveness 0.72 here (5 of 6 attempts)", waits_for_approval: true });
  for (const [level, kind, text] of [["info", "backend_up", "backend is up"], ["warn", "fault_raised", "backend fails 41 % of its requests"], ["warn", "backend_ejected", "backend is ejected: 41 % of its requests failed, of its peers' 0 %"]]) {
    events.tell({ level, kind, service: "api", backend: "b", text, cause: { state: kind.split("_")[1], by: "outlier", was: "up", after_s: 3602.118, votes: [{ detector: "peers", fault: "high_error_rate", confidence: 0.91, reason: "41 % of 731" }] } });
  }
}

await mkdir(folder, { recursive: true });
for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    const { page, mock, context } = await open({ services: 12, backends: 3, eventsPerMinute: 600 }, { viewport, colorScheme });
    trouble(mock);
    await isDrawn(page);
    for (const [view, hash] of Object.entries(VIEWS)) {
      const name = `${view}-${size}-${colorScheme}`;
      if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
      await page.evaluate((to) => (location.hash = to), hash);
      await page.waitForTimeout(900);
      await page.screenshot({ path: `${folder}/${name}.png` });
    }
    await context.close();
    await mock.close();
  }
}
await quit();

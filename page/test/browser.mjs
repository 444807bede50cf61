/** A headless Chromium with a page of a made-up fleet in it. */

import { chromium } from "playwright-core";
import { Mock } from "../mock/server.mjs";

/** Where Chromium is. */
const PATH = process.env.CHROMIUM ?? "/usr/bin/chromium";

let browser;

export async function launch() {
  browser ??= await chromium.launch({ executablePath: PATH, args: ["--no-sandbox", "--disable-gpu"] });
  return browser;
}

export async function quit() {
  await browser?.close();
  browser = undefined;
}

/** A server with a fleet, and a page that shows it. What the page says of errors, and what its policy has refused, is kept. */
export async function open(fleet = {}, context = {}) {
  const mock = await new Mock({ tickMs: 200, ...fleet }).listen();
  return { ...(await openAt(mock.url, context)), mock };
}

export async function openAt(url, context = {}, path = "/") {
  const window = await (await launch()).newContext({ viewport: { width: 1280, height: 800 }, ...context });
  const page = await window.newPage();
  // so much longer than anything takes that only a defect, or a machine that stands still, reaches it
  page.setDefaultTimeout(120_000);
  page.setDefaultNavigationTimeout(120_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  await page.addInitScript(() => {
    window.refused = [];
    document.addEventListener("securitypolicyviolation", (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
  });
  // the files that were built last, in place of those that a binary has embedded: it need not be built anew for each change of the page
  if (process.env.FRESH) await page.route("**/assets/*", (route) => route.fulfill({ path: new URL(`../../src/admin${new URL(route.request().url()).pathname}`, import.meta.url).pathname }));
  await page.goto(url + path);
  return { page, context: window, complaints };
}

/** Waits until the page has drawn the fleet. */
export async function isDrawn(page) {
  await page.waitForSelector("main h1");
}

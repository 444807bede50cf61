/** What an operator sees and does, in a real browser in front of a made-up fleet. */

import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { isDrawn, open, quit } from "./browser.mjs";

/** So much longer than anything here takes that only a defect reaches it. */
const PATIENCE = { timeout: 120_000 };
let opened;

async function begin(fleet, context, hash = "#/") {
  opened = await open(fleet, context);
  const { page } = opened;
  await page.evaluate((to) => (location.hash = to), hash);
  await isDrawn(page);
  return opened;
}

afterEach(async () => {
  const refused = await opened.page.evaluate(() => window.refused).catch(() => []);
  const { complaints } = opened;
  await opened.context.close();
  await opened.mock.close();
  assert.deepEqual(refused, [], "the policy has refused something");
  assert.deepEqual(complaints.filter((text) => !text.includes("Failed to load resource")), []);
});
after(quit);

/** Selects the text of an element, as with the mouse. */
const select = (page, selector) =>
  page.evaluate((wanted) => {
    const element = document.querySelector(wanted);
    getSelection().selectAllChildren(element);
    window.selected = element;
    return getSelection().toString();
  }, selector);

const stillSelected = (page) => page.evaluate(() => ({ text: getSelection().toString(), isThere: window.selected.isConnected }));

test("trouble is shown first, in words and in colour, as soon as the server tells of it", async () => {
  const { page, mock } = await begin({ services: 3 });
  await page.getByRole("heading", { name: "All 3 services are well" }).waitFor(PATIENCE);
  assert.equal(await page.locator('.trouble a[href^="#/service/"]').count(), 0);
  mock.fleet.set("api", "c", "down", "connection refused");
  await page.locator(".trouble.warn", { hasText: "2 of 3 backends can be used: c is down (connection refused)" }).waitFor(PATIENCE);
  assert.match(await page.locator("h1").innerText(), /1 of 3 services is impaired/);
  assert.equal(await page.locator("tr[data-id]").first().getAttribute("data-id"), "api");
  assert.equal(await page.title(), "(1) Evenkeel");
  await page.locator("#announcer", { hasText: "api is impaired" }).waitFor({ ...PATIENCE, state: "attached" });
});

test("a service that fails every request is red, and says so, though all of its backends are up", async () => {
  const { page, mock } = await begin({ services: 2 });
  for (const id of ["a", "b", "c"]) mock.fleet.fail("web", id, 1);
  const row = page.locator('tr[data-id="web"]');
  await row.locator(".pill.bad", { hasText: "failing" }).waitFor(PATIENCE);
  assert.equal(await row.locator(".pill.good").count(), 0);
  assert.equal(await row.locator(".c-errors .marked.bad").count(), 1);
});

test("two of three is never green", async () => {
  const { page, mock } = await begin({ services: 2 });
  mock.fleet.set("web", "a", "draining", "a new disk", "operator");
  const row = page.locator('tr[data-id="web"]');
  await row.locator(".c-healthy .marked.warn", { hasText: "2 of 3" }).waitFor(PATIENCE);
  assert.equal(await row.locator(".pill.good").count(), 0);
});

test("a selection and the place on the page survive updates, also when what is wrong changes", async () => {
  const { page, mock } = await begin({ services: 100, tickMs: 50 });
  await page.mouse.wheel(0, 1500);
  await page.waitForFunction(() => scrollY > 1000);
  const id = await page.evaluate(() => [...document.querySelectorAll("tr[data-id]")].find((row) => row.getBoundingClientRect().top > 200).dataset.id);
  const text = await select(page, `tr[data-id="${id}"] .c-rate`);
  const before = await page.evaluate(() => scrollY);
  const tick = mock.fleet.random;
  let ticks = 0;
  mock.fleet.random = () => (ticks += 1, tick());
  // ten looks at the whole fleet, each with other figures
  const looks = 10 * 100 * 3;
  for (let waited = 0; ticks < looks && waited < 200; waited += 1) await page.waitForTimeout(50);
  mock.fleet.set(id, "a", "ejected", "fails", "outlier");
  await page.waitForFunction(() => document.querySelector(".badge")?.textContent.startsWith("1"));
  const { isThere, text: kept } = await stillSelected(page);
  assert.ok(isThere, "the selected element was replaced");
  assert.notEqual(kept, "", `the selection of ${text} was lost`);
  // the list of what is wrong has come in above; the browser keeps what is on the screen where it is
  assert.ok(await page.evaluate((at) => scrollY >= at, before), "the page has jumped");
});

test("an element that shows the same as before is not touched", async () => {
  const { page, mock } = await begin({ services: 50, isQuiet: true });
  await page.waitForSelector("tr[data-id]");
  await page.evaluate(() => {
    window.changes = 0;
    new MutationObserver((records) => (window.changes += records.length)).observe(document.querySelector(".table"), { subtree: true, childList: true, attributes: true, characterData: true });
  });
  mock.options.isQuiet = false;
  // nothing moves but the traffic of one service
  mock.fleet.noise = () => 1;
  await page.waitForFunction(() => window.changes > 0);
  await page.waitForTimeout(600);
  await page.evaluate(() => (window.changes = 0));
  mock.fleet.services.get("web").base *= 2;
  await page.waitForFunction(() => window.changes > 0);
  const changes = await page.evaluate(() => window.changes);
  assert.ok(changes <= 12, `${changes} changes in the table for one service`);
});

test("of 10,000 backends only those around the screen are in the document, and all can be reached", async () => {
  const { page } = await begin({ services: 1, backends: 10_000, tickMs: 1_000 }, {}, "#/service/api");
  await page.waitForSelector("tr[data-id]", PATIENCE);
  const table = page.locator("table.backends");
  assert.equal(await table.getAttribute("aria-rowcount"), "10001");
  assert.ok((await page.locator("tr[data-id]").count()) < 150);
  await page.locator("tr[data-id] a").first().focus();
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.activeElement?.textContent === "b10000");
  assert.ok((await page.locator("tr[data-id]").count()) < 150);
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.activeElement?.textContent === "b1");
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => document.activeElement?.textContent === "b2");
  await page.keyboard.press("/");
  await page.keyboard.type("b4711");
  await page.waitForFunction(() => document.querySelectorAll("tr[data-id]").length === 1);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelectorAll("tr[data-id]").length > 5);
});

test("draining asks first, sends the reason, and can be undone from the toast", async () => {
  const { page, mock } = await begin({ services: 2 }, {}, "#/service/api");
  await page.getByRole("button", { name: "drain b" }).click();
  const dialog = page.getByRole("dialog", { name: "Drain b of api?" });
  await dialog.getByLabel(/Reason/).fill("a new disk");
  await dialog.getByLabel("For how long").selectOption("30");
  assert.equal(mock.orders.length, 0);
  await dialog.getByRole("button", { name: "Drain" }).click();
  await page.locator('tr[data-id="b"] .pill', { hasText: "draining" }).waitFor(PATIENCE);
  const [drain] = mock.orders;
  assert.equal(`${drain.method} ${drain.path}`, "POST /api/v1/services/api/backends/b/drain");
  assert.equal(drain.body.reason, "a new disk");
  const minutes = (Date.parse(drain.body.until) - Date.now()) / 60_000;
  assert.ok(minutes > 25 && minutes <= 30, `${minutes}`);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator('tr[data-id="b"] .pill', { hasText: "up" }).waitFor(PATIENCE);
  assert.equal(mock.orders[1].path, "/api/v1/services/api/backends/b/enable");
});

test("the head names the instance and the leader, and the overview says what nobody repairs without one", async () => {
  const { page, mock } = await begin({ services: 2 });
  assert.equal(await page.locator(".cluster").count(), 0);
  mock.fleet.cluster = { name: "edge-1", zone: "a", elected: true, leader: false, leader_name: "edge-2", why_not: "edge-2 is the leader" };
  await page.getByText("edge-2 leads").waitFor(PATIENCE);
  mock.fleet.cluster = { name: "edge-1", zone: "a", elected: true, leader: false, why_not: "no leader is known: etcd does not answer: connection refused" };
  await page.getByText("Backends are neither restarted nor scaled by any instance: no leader is known: etcd does not answer").waitFor(PATIENCE);
  mock.fleet.cluster = { name: "edge-1", zone: "a", elected: true, leader: true, leader_name: "edge-1" };
  await page.locator(".cluster", { hasText: "edge-1 leads" }).waitFor(PATIENCE);
});

test("what was not taken on is told until it is", async () => {
  const { page, mock } = await begin({ services: 2 });
  const at = new Date().toISOString();
  const file = { listener: "web", service: null, path: "tls.key", reason: "this key does not fit the certificate", since: at };
  mock.fleet.refused = { reload_refused: { at, reason: "the configuration can't be used\nerror: x" }, certificates_refused: [file] };
  await page.getByText("What ran before runs on: the configuration can't be used; evenkeel check says more").waitFor(PATIENCE);
  await page.getByText("tls.key can't be used, what was in force before stays: this key does not fit the certificate").waitFor(PATIENCE);
  mock.fleet.refused = {};
  await page.getByText("TLS of listener web").waitFor({ ...PATIENCE, state: "detached" });
  assert.equal(await page.getByText("What ran before runs on").count(), 0);
});

test("a spent budget is told in a quiet line, and makes no service impaired", async () => {
  const { page, mock } = await begin({});
  mock.fleet.services.get("api").budget = -157.7761;
  const line = page.locator(".trouble.off", { hasText: "budget spent" });
  await line.getByText("−15,778 % left").waitFor(PATIENCE);
  await page.locator("h1.verdict.good", { hasText: "services are well" }).waitFor(PATIENCE);
});

test("the figures of a promise tell the budgets apart, have room for all their digits, and what is in maintenance says until when", async () => {
  const { page, mock } = await begin({}, { viewport: { width: 1500, height: 800 } }, "#/sla");
  mock.fleet.services.get("api").budget = -157.7761;
  mock.fleet.maintenance.set("web", { service: "web", until: new Date(Date.now() + 3_600_000).toISOString(), reason: "disks" });
  await page.locator("td.c-state", { hasText: /^maintenance\s*until \d/ }).waitFor(PATIENCE);
  const clipped = () => [...document.querySelectorAll("td.c-state, .figure dd")].filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.textContent);
  assert.deepEqual(await page.evaluate(clipped), []);
  await page.evaluate(() => (location.hash = "#/sla/api"));
  await page.locator(".figure", { hasText: "Budget left by time" }).getByText("−15,778 %").waitFor(PATIENCE);
  await page.locator(".figure", { hasText: "Budget left by requests" }).getByText("800 of 4,000 spent").waitFor(PATIENCE);
  await page.locator(".figure", { hasText: "Budget used up" }).getByText("already").waitFor(PATIENCE);
  assert.deepEqual(await page.evaluate(clipped), []);
});

test("a weight, maintenance, and the pause of recovery are sent as the interface has them", async () => {
  const { page, mock } = await begin({ services: 2 }, {}, "#/service/api/a");
  await page.getByRole("button", { name: "Weight…" }).click();
  await page.getByRole("spinbutton", { name: "Weight" }).fill("3");
  await page.getByRole("button", { name: "Set" }).click();
  await page.getByText("The weight of api/a is set").waitFor(PATIENCE);
  assert.deepEqual(mock.orders.at(-1), { method: "PUT", path: "/api/v1/services/api/backends/a", body: { weight: 3 } });
  await page.evaluate(() => (location.hash = "#/service/api"));
  await page.getByRole("button", { name: "Maintenance…" }).click();
  await page.getByLabel("Reason").fill("new disks");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("Maintenance of api has begun").waitFor(PATIENCE);
  assert.deepEqual(mock.orders.at(-1), { method: "POST", path: "/api/v1/services/api/maintenance", body: { minutes: 30, reason: "new disks" } });
  await page.evaluate(() => (location.hash = "#/"));
  await page.getByRole("button", { name: "Pause recovery…" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("Nothing is repaired: paused by 127.0.0.1").waitFor(PATIENCE);
  assert.deepEqual(mock.orders.at(-1), { method: "POST", path: "/api/v1/recovery/pause", body: {} });
});

test("a repair that waits for approval is approved from the overview", async () => {
  const { page, mock } = await begin({ services: 2 });
  mock.fleet.recoveries.set("18", { service: "api", backend: "b", fault: "unresponsive", strategy: "restart", phase: "proposed", text: "restart b", waits_for_approval: true });
  await page.getByRole("button", { name: "Approve…" }).click();
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByText("Attempt 18 is approved").waitFor(PATIENCE);
  assert.equal(mock.orders.at(-1).path, "/api/v1/recoveries/18/approve");
});

test("an order that is refused says why, and the dialog stays", async () => {
  const { page, mock } = await begin({ services: 2 }, {}, "#/service/api");
  await page.getByRole("button", { name: "drain b" }).click();
  mock.fleet.services.get("api").backends.delete("b");
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await page.getByRole("alert").getByText('has no backend "b"').waitFor(PATIENCE);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ ...PATIENCE, state: "detached" });
});

test("who may only read is shown no acts, and is told why", async () => {
  const { page, mock } = await begin({ services: 4, may: "read" });
  mock.fleet.recoveries.set("18", { service: "api", backend: "b", fault: "unresponsive", strategy: "restart", phase: "proposed", text: "restart b", waits_for_approval: true });
  await page.getByText("waits for approval").waitFor(PATIENCE);
  await page.getByTitle("Your token may only read").waitFor(PATIENCE);
  const views = ["#/", "#/service/api", "#/service/api/b", "#/recoveries", "#/recoveries/18", "#/sla/api"];
  for (const hash of views) {
    await page.evaluate((to) => (location.hash = to), hash);
    await page.waitForTimeout(400);
    const acts = await page.getByRole("button", { name: /…$|^drain|^weight|^Add$/ }).allInnerTexts();
    assert.deepEqual(acts, [], hash);
  }
  await page.evaluate(() => (location.hash = "#/service/api"));
  await page.locator("tr[data-id] a").first().waitFor(PATIENCE);
  assert.equal(await page.getByRole("columnheader", { name: "Act" }).count(), 0);
});

test("the ring of a service that hashes is drawn, with the share of each backend and the place of a key", async () => {
  const { page } = await begin({ services: 4 }, {}, "#/service/search");
  const drawing = page.getByRole("img", { name: /^The ring: a [\d.]+ %, b [\d.]+ %, c [\d.]+ %\.$/ });
  await drawing.waitFor(PATIENCE);
  assert.equal(await drawing.locator("path").count(), 3);
  await page.getByLabel(/Where is this key/).fill("192.0.2.7");
  await page.getByRole("button", { name: "Find it" }).click();
  await page.getByText(/^192\.0\.2\.7 belongs to [abc]; if that is gone, to/).waitFor(PATIENCE);
  await page.locator(".ring-key").waitFor(PATIENCE);
  await page.locator(".ring tbody tr").nth(1).hover();
  await page.waitForFunction(() => document.querySelectorAll(".ring-drawing .dim").length === 2);
});

test("what other algorithms would do stands beside what the real one does", async () => {
  const { page } = await begin({ services: 1 }, {}, "#/service/api");
  const row = page.getByRole("row", { name: /^response time 12,340 32.8 % 6.4 ms 22 ms$/ });
  await row.waitFor(PATIENCE);
  assert.equal(await page.locator(".shadow tbody tr").count(), 2 + 3);
});

test("why a backend was ejected is two clicks away", async () => {
  const { page, mock } = await begin({ services: 2 }, {}, "#/service/api");
  mock.fleet.set("api", "b", "ejected", "it failed 7 times in a row", "outlier");
  mock.events.tell({ kind: "backend_ejected", level: "warn", service: "api", backend: "b", text: "backend is ejected", cause: { state: "ejected", by: "outlier" } });
  await page.locator('tr[data-id="b"] a').click();
  await page.getByText("b is ejected because it failed 7 times in a row.").waitFor(PATIENCE);
  await page.getByRole("button", { name: /^Why, at/ }).first().click();
  await page.getByRole("heading", { name: /Why it was ejected at/ }).waitFor(PATIENCE);
});

test("a server that hangs makes the page stale, and one that is gone makes it disconnected until it is back", async () => {
  const { page, mock } = await begin({ services: 2, isQuiet: true });
  mock.isHanging = true;
  await page.locator(".banner.warn", { hasText: "last seen" }).waitFor({ timeout: 120_000 });
  assert.equal(await page.locator("main.stale").count(), 1);
  mock.isHanging = false;
  await page.locator(".banner").waitFor({ timeout: 120_000, state: "detached" });
  for (const stream of mock.streams) stream.response.destroy();
  await page.locator(".banner.bad", { hasText: "Disconnected" }).waitFor(PATIENCE);
  await page.locator(".banner").waitFor({ ...PATIENCE, state: "detached" });
});

test("silence is no trouble while nothing changes", async () => {
  const { page } = await begin({ services: 2, isQuiet: true });
  await page.waitForTimeout(8_000);
  assert.equal(await page.locator(".banner").count(), 0);
});

test("new events do not move the list under who reads it", async () => {
  const { page, mock } = await begin({ services: 2 }, {}, "#/events");
  for (let n = 0; n < 100; n += 1) mock.events.chatter(mock.fleet);
  await page.waitForFunction(() => document.querySelectorAll(".events li").length >= 100);
  await page.evaluate(() => scrollTo(0, 800));
  const first = await page.locator(".events li").first().innerText();
  mock.events.tell({ kind: "operator", level: "info", service: "api", text: "something new" });
  await page.getByRole("button", { name: "Show 1 new" }).waitFor(PATIENCE);
  assert.equal(await page.locator(".events li").first().innerText(), first);
  await page.getByRole("button", { name: "Show 1 new" }).click();
  await page.locator(".events li").first().getByText("something new").waitFor(PATIENCE);
});

test("a phone scrolls, shows cards, and no view is wider than its screen", async () => {
  const { page } = await begin({ services: 20 }, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  for (const hash of ["#/", "#/service/api", "#/service/api/a", "#/events", "#/faults", "#/recoveries", "#/recoveries/17", "#/sla", "#/sla/api", "#/routes", "#/listeners", "#/certificates"]) {
    await page.evaluate((to) => (location.hash = to), hash);
    await page.waitForTimeout(400);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${hash} is ${width} pixels wide`);
  }
});

test("a note beside a figure goes when there is nothing to note any more", async () => {
  const { page, mock } = await begin({ services: 1, isQuiet: true }, {}, "#/service/api/a");
  const backend = mock.fleet.backend("api", "a");
  mock.options.isQuiet = false;
  mock.fleet.noise = () => 1;
  backend.workShare = 0.8;
  await page.getByText("gets 80 % of its work").waitFor(PATIENCE);
  backend.workShare = 1;
  await page.getByText("gets 80 % of its work").waitFor({ ...PATIENCE, state: "detached" });
});

/** What an operator sees and does in front of the real binary: `EVENKEEL_BINARY=../target/debug/evenkeel npm run test:real`. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { isDrawn, openAt, quit } from "../browser.mjs";
import { violations } from "../violations.mjs";
import { Fleet } from "./fleet.mjs";

/** So much longer than anything here takes that only a defect reaches it. */
const PATIENCE = { timeout: 120_000 };
/** How often a backend is killed, and how long a phone is watched. */
const KILLS = Number(process.env.KILLS ?? 5);
const SECONDS = Number(process.env.SECONDS ?? 20);
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

let fleet;
let opened;

before(async () => (fleet = await begin()));
after(async () => {
  await fleet?.stop();
  await quit();
});
afterEach(async () => {
  if (!opened) return;
  const { page, context, complaints } = opened;
  const refused = await page.evaluate(() => window.refused).catch(() => []);
  await context.close();
  opened = undefined;
  assert.deepEqual(refused, [], "the policy has refused something");
  assert.deepEqual(complaints.filter((text) => !text.includes("Failed to load resource")), []);
});

/** An ejection is over soon, so that one test does not wait for the other's. */
function begin(options) {
  return Fleet.start({ outlier: 'eject_for = "1s"\nmax_eject_for = "1s"', approve: "ask", ...options });
}

async function show(hash = "#/", context = {}, of = fleet) {
  opened = await openAt(of.url, context);
  await opened.page.evaluate((to) => (location.hash = to), hash);
  await isDrawn(opened.page);
  return opened.page;
}

const go = (page, hash) => page.evaluate((to) => (location.hash = to), hash);
const isWell = (page) => page.getByRole("heading", { name: "All 2 services are well" }).waitFor(PATIENCE);
const confirm = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

/** When the list of what is wrong names this backend, by the clock of this machine. */
const whenNamed = (page, id) =>
  page.evaluate(
    (wanted) =>
      new Promise((done) => {
        const look = () => {
          const text = document.querySelector(".troubles")?.textContent ?? "";
          if (!new RegExp(`\\b${wanted} is (down|ejected|broken)`).test(text)) return;
          watching.disconnect();
          done(Date.now());
        };
        const watching = new MutationObserver(look);
        watching.observe(document.body, { subtree: true, childList: true, characterData: true });
        look();
      }),
    id,
  );

test("a backend that is killed is named on the overview within a second", async (t) => {
  const page = await show();
  const times = [];
  for (let n = 0; n < KILLS; n += 1) {
    await isWell(page);
    const name = ["api/a", "shop/y", "api/c", "shop/x"][n % 4];
    const named = whenNamed(page, fleet.backend(name).id);
    const killed = Date.now();
    await fleet.backend(name).kill();
    times.push((await named) - killed);
    await fleet.backend(name).start();
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  t.diagnostic(`named after ${median} ms (median of ${KILLS} kills), ${times.at(-1)} ms at worst; ${fleet.sent.failed} of ${fleet.sent.ok + fleet.sent.failed} requests failed`);
  assert.ok(median < 1_000, `${times}`);
});

test("draining is in force when it is answered, is shown with its reason, and can be undone", async () => {
  const page = await show("#/service/api");
  await page.getByRole("button", { name: "drain b" }).click();
  await page.getByLabel(/Reason/).fill("a new disk");
  await confirm(page, "Drain");
  const row = page.locator('tr[data-id="b"]');
  await row.locator(".pill", { hasText: "draining" }).waitFor(PATIENCE);
  await row.getByText("a new disk").waitFor(PATIENCE);
  assert.equal((await backendOf("api", "b")).state, "draining");
  await page.getByRole("button", { name: "Undo" }).click();
  await row.locator(".pill", { hasText: "up" }).waitFor(PATIENCE);
  assert.equal((await backendOf("api", "b")).state, "up");
});

async function backendOf(service, id) {
  const { value } = await fleet.ask("/api/v1/status");
  return value.services[service].backends.find((backend) => backend.id === id);
}

test("a weight is set, and taken back", async () => {
  const page = await show("#/service/api/c");
  await page.getByRole("button", { name: "Weight…" }).click();
  await page.getByRole("spinbutton", { name: "Weight" }).fill("3");
  await confirm(page, "Set");
  const figure = page.locator(".figure", { hasText: "Weight" });
  await figure.locator("dd", { hasText: /^3\D/ }).waitFor(PATIENCE);
  await page.getByRole("button", { name: "Undo" }).click();
  await figure.locator("dd", { hasText: /^1\D/ }).waitFor(PATIENCE);
});

test("maintenance begins and ends", async () => {
  const page = await show("#/service/api");
  await page.getByRole("button", { name: "Maintenance…" }).click();
  await page.getByLabel("Reason").fill("new disks");
  await confirm(page, "Begin");
  await page.locator(".standing .pill", { hasText: "maintenance" }).waitFor(PATIENCE);
  assert.equal((await fleet.ask("/api/v1/services/api/maintenance")).value.reason, "new disks");
  await page.getByRole("button", { name: "End maintenance…" }).click();
  await confirm(page, "End");
  await page.locator(".standing .pill", { hasText: "ok" }).waitFor(PATIENCE);
});

test("recovery is paused, says so on the overview, and is resumed", async () => {
  const page = await show();
  await page.getByRole("button", { name: "Pause recovery…" }).click();
  await page.getByLabel(/Reason/).fill("a migration");
  await confirm(page, "Pause");
  await page.getByText("Nothing is repaired: paused by 127.0.0.1, “a migration”").waitFor(PATIENCE);
  assert.equal((await fleet.ask("/api/v1/recovery")).value.paused, true);
  await page.getByRole("button", { name: "Resume…" }).click();
  await confirm(page, "Resume");
  await page.getByRole("button", { name: "Pause recovery…" }).waitFor(PATIENCE);
  assert.equal((await fleet.ask("/api/v1/recovery")).value.paused, false);
});

test("a repair that is proposed is approved on the page, is carried out, and has healed", async () => {
  const page = await show();
  await isWell(page);
  await fleet.backend("api/a").kill();
  await page.getByRole("button", { name: "Approve…" }).click(PATIENCE);
  await confirm(page, "Approve");
  await isWell(page);
  await go(page, "#/recoveries");
  await page.getByRole("link", { name: /restart of api\/a/ }).first().click(PATIENCE);
  await page.locator(".standing .pill.good", { hasText: "healed" }).waitFor(PATIENCE);
});

test("why a backend is as it is", async (t) => {
  if ((await fleet.ask("/api/v1/why?service=api&backend=b")).status === 404) return t.skip("this binary does not answer why");
  const page = await show("#/service/api/b");
  await page.locator(".why .answer").waitFor(PATIENCE);
  await fleet.ask("/api/v1/services/api/backends/b/drain", { method: "POST", body: JSON.stringify({ reason: "a new disk" }) });
  await page.locator(".why", { hasText: "a new disk" }).waitFor(PATIENCE);
  await fleet.ask("/api/v1/services/api/backends/b/enable", { method: "POST" });
  await page.getByRole("button", { name: /^Why, at/ }).first().click();
  await page.getByRole("heading", { name: /^Why it was/ }).waitFor(PATIENCE);
});

test("the ring is drawn with the shares that the server has", async () => {
  const page = await show("#/service/shop");
  await page.getByRole("img", { name: /^The ring: x [\d.]+ %, y [\d.]+ %, z [\d.]+ %\.$/ }).waitFor(PATIENCE);
  await page.getByLabel(/Where is this key/).fill("17");
  await page.getByRole("button", { name: "Find it" }).click();
  const answer = await (await fetch(`${fleet.web}/shop/item?user=17`)).text();
  await page.getByText(`17 belongs to ${answer}`).waitFor(PATIENCE);
});

test("a phone scrolls by touch, and keeps a selection and its place while everything is updated", async () => {
  const page = await show("#/service/api", PHONE);
  await page.locator("tr[data-id]").first().waitFor(PATIENCE);
  // until what is to be selected is well on the screen
  const isSeen = () => page.evaluate(() => document.querySelector('tr[data-id="a"] .c-rate').getBoundingClientRect().bottom < innerHeight - 150);
  do {
    const from = await page.evaluate(() => scrollY);
    await swipe(page);
    await page.waitForFunction((before) => scrollY > before + 200, from);
    // it glides on for a while
    await page.waitForFunction(() => new Promise((done) => setTimeout(() => done(scrollY === (window.was ?? -1) || ((window.was = scrollY), false)), 200)));
  } while (!(await isSeen()));
  await page.evaluate(() => {
    window.selected = document.querySelector('tr[data-id="a"] .c-rate');
    getSelection().selectAllChildren(window.selected);
    window.look = () => [Math.round(window.selected.getBoundingClientRect().top), getSelection().toString(), window.selected.isConnected];
    window.before = window.look();
    window.updates = 0;
    new MutationObserver(() => (window.updates += 1)).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
  });
  await page.waitForTimeout(SECONDS * 1_000);
  // what is read stays where it is on the screen, also where something above it has become higher
  const [before, now, updates] = await page.evaluate(() => [window.before, window.look(), window.updates]);
  assert.deepEqual(now, before);
  assert.ok(updates > SECONDS / 2, `${updates} updates in ${SECONDS} s`);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 390));
});

/** A finger that moves up over most of the screen. */
async function swipe(page) {
  const session = await page.context().newCDPSession(page);
  const touch = (type, ...touchPoints) => session.send("Input.dispatchTouchEvent", { type, touchPoints });
  await touch("touchStart", { x: 195, y: 700 });
  for (let y = 680; y >= 150; y -= 20) await touch("touchMove", { x: 195, y });
  await touch("touchEnd");
}

/**
 * What of `selector` changes its height, or its place within the element `within`, while views are open for a while. What is new or goes is none of it: that is
 * a change of what there is to be seen, not of a figure.
 */
async function moved(hashes, selector, within, meanwhile) {
  const windows = await Promise.all(hashes.map(() => openAt(fleet.url, PHONE)));
  await Promise.all(
    windows.map(async ({ page }, at) => {
      await go(page, hashes[at]);
      await isDrawn(page);
      await page.waitForFunction(() => !/Loading…/.test(document.querySelector("main").textContent), null, PATIENCE);
      await page.evaluate(watch, [selector, within]);
    }),
  );
  for (let second = 0; second < SECONDS; second += 1) {
    meanwhile?.(second);
    await windows[0].page.waitForTimeout(1_000);
  }
  const all = await Promise.all(windows.map(async ({ page, context }, at) => {
    const found = await page.evaluate(() => [window.moved, window.updates]);
    await context.close();
    assert.ok(found[1] > SECONDS / 4, `${found[1]} updates of ${hashes[at]} in ${SECONDS} s`);
    return found[0].map((text) => `${hashes[at]}: ${text}`);
  }));
  return all.flat();
}

/** In the page: compares at each change with what was before. */
function watch([selector, within]) {
  const known = new Map();
  window.moved = [];
  window.updates = 0;
  const nameOf = (element) => `${element.tagName.toLowerCase()}.${element.className} “${element.textContent.slice(0, 50)}”`;
  const look = () => {
    for (const element of document.querySelectorAll(selector)) {
      // a drawing is as large as its box, and what is not shown has no place
      if (element.closest(".uplot, svg") || element.getClientRects().length === 0) continue;
      const { top, height } = element.getBoundingClientRect();
      const now = [top - element.closest(within).getBoundingClientRect().top, height];
      const [place, was] = known.get(element) ?? now;
      if (Math.abs(place - now[0]) > 0.1 || Math.abs(was - height) > 0.1) window.moved.push(`${nameOf(element)}: from ${place.toFixed(1)}, ${was.toFixed(1)} high, to ${now[0].toFixed(1)}, ${height.toFixed(1)} high`);
      known.set(element, now);
    }
  };
  look();
  new MutationObserver(() => {
    window.updates += 1;
    look();
  }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
}

test("on a phone nothing moves when its figures change, in any view of a fleet that is well", async () => {
  await isWell(await show());
  // all of them, so that none is slower than its peers
  const delays = [3, 12, 30, 7];
  const vary = (second) => second % 3 === 0 && fleet.backends.forEach((backend) => backend.tell({ delayMs: delays[(second / 3) % 4] }));
  const found = await moved(["#/", "#/service/api", "#/service/shop", "#/service/api/b"], "main *", "main", vary);
  fleet.backends.forEach((backend) => backend.tell({ delayMs: 3 }));
  assert.deepEqual(found, []);
});

test("on a phone rows, cards and panels keep their heights, and their figures their places, while backends come and go", async () => {
  const page = await show();
  await isWell(page);
  fleet.backend("api/b").tell({ failing: 0.3 });
  await fleet.backend("shop/z").kill();
  await page.locator(".trouble", { hasText: "z is" }).first().waitFor(PATIENCE);
  const found = await moved(["#/", "#/service/api", "#/service/shop"], ".trouble, tr[data-id], tr[data-id] td, .figure, .figures, .chart", ".trouble, tr[data-id], .figure, .figures, .chart");
  fleet.backend("api/b").tell({ failing: 0 });
  await fleet.backend("shop/z").start();
  await isWell(page);
  assert.deepEqual(found, []);
});

const VIEWS = ["#/", "#/service/api", "#/service/shop", "#/service/api/a", "#/events", "#/faults", "#/recoveries", "#/recoveries/1", "#/sla", "#/sla/api", "#/routes", "#/listeners", "#/certificates"];

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing on any view under trouble, in ${colorScheme}`, async () => {
    // the policy would refuse a script that the test puts in
    const page = await show("#/", { colorScheme, bypassCSP: true });
    fleet.backend("api/b").tell({ failing: 0.5 });
    await fleet.backend("shop/z").kill();
    await page.locator(".trouble", { hasText: "z is" }).first().waitFor(PATIENCE);
    const found = [];
    for (const hash of VIEWS) {
      await go(page, hash);
      await page.waitForTimeout(700);
      found.push(...(await violations(page, hash)));
    }
    fleet.backend("api/b").tell({ failing: 0 });
    await fleet.backend("shop/z").start();
    await go(page, "#/");
    await isWell(page);
    assert.deepEqual(found, []);
  });
}

test("a proxy that stands still is told from one that is gone, and both are over when it is back", async () => {
  const page = await show();
  await page.locator(".link", { hasText: "live" }).waitFor(PATIENCE);
  fleet.proxy.kill("SIGSTOP");
  await page.locator(".banner.warn", { hasText: "The server does not answer" }).waitFor(PATIENCE);
  assert.equal(await page.locator("main.stale").count(), 1);
  fleet.proxy.kill("SIGCONT");
  await page.locator(".banner").waitFor({ ...PATIENCE, state: "detached" });
  await fleet.kill();
  await page.locator(".banner.bad", { hasText: "Disconnected" }).waitFor(PATIENCE);
  await fleet.startProxy();
  await page.locator(".banner").waitFor({ ...PATIENCE, state: "detached" });
  await isWell(page);
});

test("one logs in with a token, sees no acts with one that may only read, and logs out", async () => {
  const files = { admin: "admin-0123456789\n", reader: "reader-0123456789\n" };
  const own = await begin({ admin: 'token_file = "admin"\ntokens = [{ name = "reader", file = "reader" }]', files });
  try {
    opened = await openAt(own.url);
    const { page } = opened;
    const logIn = async (token) => {
      await page.getByLabel("Token of the admin address").fill(token);
      await page.getByRole("button", { name: "Log in" }).click();
    };
    await logIn("a guess");
    await page.getByRole("alert").getByText("This is not a token").waitFor(PATIENCE);
    await logIn("reader-0123456789");
    await page.getByTitle("Your token may only read").waitFor(PATIENCE);
    await isDrawn(page);
    assert.equal(await page.getByRole("button", { name: "Pause recovery…" }).count(), 0);
    await page.getByRole("button", { name: "Log out" }).click();
    await logIn("admin-0123456789");
    await page.getByRole("button", { name: "Pause recovery…" }).waitFor(PATIENCE);
    await go(page, "#/service/api");
    await page.getByRole("button", { name: "drain a" }).click(PATIENCE);
    await confirm(page, "Drain");
    await page.locator('tr[data-id="a"] .pill', { hasText: "draining" }).waitFor(PATIENCE);
    // another secret in the file ends the login, and the page says so by asking for it
    await own.write("admin", "another-0123456789\n");
    await fetch(`${own.url}/api/v1/reload`, { method: "POST", headers: { Authorization: "Bearer admin-0123456789" } });
    await page.getByLabel("Token of the admin address").waitFor(PATIENCE);
  } finally {
    await own.stop();
  }
});

/** What needs no browser: merge patches, orders of rows, figures for people. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createServer } from "vite";
import { difference } from "../mock/document.mjs";

const root = new URL("..", import.meta.url).pathname;
const vite = await createServer({ root, logLevel: "error", appType: "custom", server: { middlewareMode: true, ws: false, watch: null } });
after(() => vite.close());
const load = (path) => vite.ssrLoadModule(path);

test("a merge patch changes what it names, removes what it sets to null, and leaves all other objects as they are", async () => {
  const { merge } = await load("/src/live/merge.ts");
  const before = { services: { a: { rate: 1, p50_ms: 2 }, b: { rate: 1 } }, list: [1, 2] };
  const merged = merge(before, { services: { a: { rate: 3, p50_ms: null }, c: { rate: 9 } }, list: [3] });
  assert.deepEqual(merged, { services: { a: { rate: 3 }, b: { rate: 1 }, c: { rate: 9 } }, list: [3] });
  assert.equal(merged.services.b, before.services.b);
  assert.deepEqual(before.services.a, { rate: 1, p50_ms: 2 });
});

test("the examples of RFC 7396, appendix A", async () => {
  const { merge } = await load("/src/live/merge.ts");
  for (const [target, patch, result] of [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c", "d"], ["c", "d"]],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]) {
    assert.deepEqual(merge(target, patch), result);
  }
});

test("the difference of two documents makes the second of the first", async () => {
  const { merge } = await load("/src/live/merge.ts");
  const before = { services: { a: { rate: 1, words: "" }, b: { rate: 1 } } };
  const next = { services: { a: { rate: 2, words: "" } }, faults: {} };
  assert.deepEqual(merge(before, difference(before, next)), next);
  assert.equal(difference(before, structuredClone(before)), undefined);
});

test("a share is cut off, never rounded up, and failures are never rounded to none", async () => {
  const { percent, failed } = await load("/src/format.ts");
  assert.deepEqual([1, 0, 0.5, 0.9999996, 0.99999, 0.123456, 0.0123, -0.4, null].map(percent), ["100 %", "0 %", "50 %", "99.999 %", "99.999 %", "12.3 %", "1.23 %", "−40 %", "–"]);
  assert.deepEqual([0, 0.000001, 0.0002, 1].map(failed), ["0 %", "< 0.001 %", "0.02 %", "100 %"]);
});

test("a budget is cut to the worse side, an availability is cut off, and a target has all its digits, as in the report", async () => {
  const { budget, availability, target, few } = await load("/src/format.ts");
  assert.deepEqual([1, 0.9999, 0.3, 0, -0.0041, -0.5, -9.9999, -427.5714, -1e7, null].map(budget), ["100 %", "99.9 %", "30 %", "0 %", "−0.5 %", "−50 %", "−1,000 %", "−42,758 %", "−1,000,000,000 %", "–"]);
  assert.deepEqual([1, 0.999996, 0.999, 0.99899, 2 / 3, 0, null].map(availability), ["100 %", "99.9996 %", "99.9 %", "99.89 %", "66.66 %", "0 %", "–"]);
  assert.deepEqual([0.99, 0.999, 0.99999999999, 0.07, 0.5].map(target), ["99 %", "99.9 %", "99.999999999 %", "7 %", "50 %"]);
  assert.deepEqual([0, 0.005, 0.5, 3.45, 1234.9].map(few), ["0", "0.005", "0.5", "3.4", "1,234"]);
});

test("times are given in their two largest units, and latencies in the unit that suits them", async () => {
  const { duration, ms, rate } = await load("/src/format.ts");
  assert.deepEqual([0, 0.4, 6.3, 59, 3_600, 7_384, 90_000].map(duration), ["0 s", "0.4 s", "6.3 s", "59 s", "1 h", "2 h 3 min", "1 d 1 h"]);
  assert.deepEqual([0.42, 123.4, 1_234, undefined].map(ms), ["0.42 ms", "123 ms", "1.23 s", "–"]);
  assert.deepEqual([0, 0.25, 1_234].map(rate), ["0", "0.25", "1,234"]);
});

test("rows stand by their figures, what is not known last, equal ones by their names as people count", async () => {
  const { places, sorted } = await load("/src/table/order.ts");
  const rate = { b10: 5, b2: 5, b1: null, b3: 9 };
  const place = places(Object.keys(rate));
  const order = (isDescending) => sorted(Object.keys(rate), (id) => rate[id], (id) => place.get(id), isDescending);
  assert.deepEqual(order(false), ["b2", "b10", "b3", "b1"]);
  assert.deepEqual(order(true), ["b3", "b2", "b10", "b1"]);
});

test("an order holds while figures move, and changes at once when rows come or somebody sorts", async () => {
  const { HeldOrder } = await load("/src/table/order.ts");
  const held = new HeldOrder();
  const at = (inputs, ranks, now, mayMove, order) => held.get(inputs, ranks, now, mayMove, () => order);
  assert.deepEqual(at(["rate"], "", 0, true, ["a", "b"]), ["a", "b"]);
  assert.deepEqual(at(["rate"], "", 1_000, true, ["b", "a"]), ["a", "b"], "it is too young");
  assert.deepEqual(at(["rate"], "", 6_000, false, ["b", "a"]), ["a", "b"], "somebody reads");
  assert.deepEqual(at(["rate"], "", 6_001, true, ["b", "a"]), ["b", "a"]);
  assert.deepEqual(at(["rate"], "bad", 6_002, true, ["a", "b"]), ["a", "b"], "one got worse");
  assert.deepEqual(at(["name"], "bad", 6_003, false, ["b", "a"]), ["b", "a"], "another column");
});

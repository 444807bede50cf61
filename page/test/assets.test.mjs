/** The files that the binary embeds. */

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

const folder = new URL("../../src/admin/assets/", import.meta.url);
const index = await readFile(new URL("index.html", folder), "utf8");

test("they have fixed names and are at most 200 KB together", async () => {
  const names = (await readdir(folder)).sort();
  assert.deepEqual(names, ["index.html", "page.css", "page.js"]);
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder))));
  const size = texts.reduce((sum, { length }) => sum + length, 0);
  assert.ok(size <= 200_000, `${size} bytes`);
});

test("the page has one place for the secret and one for what its reader may do, nothing inline, and nothing from elsewhere", () => {
  assert.equal(index.split("{csrf}").length, 2);
  assert.equal(index.split("{may}").length, 2);
  assert.doesNotMatch(index, /<style|style=|<script(?![^>]*src=)|\son[a-z]+=/);
  const loaded = [...index.matchAll(/<(?:script|link)[^>]*(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  assert.deepEqual(loaded.filter((address) => !address.startsWith("/assets/") && !address.startsWith("data:")), []);
});

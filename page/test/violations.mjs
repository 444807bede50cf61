/** What axe-core finds wrong with a page. */

import { readFile } from "node:fs/promises";

const axe = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

export async function violations(page, view) {
  await page.evaluate(axe);
  const { violations: all } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return all.map(({ id, nodes }) => `${view}: ${id}: ${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 120)} ${any[0]?.message ?? ""}`).join(" | ")}`);
}

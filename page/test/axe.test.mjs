/** axe-core finds nothing on any view, in light and dark, at a desk and on a phone. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isDrawn, open, quit } from "./browser.mjs";
import { trouble } from "./trouble.mjs";
import { VIEWS } from "./views.mjs";
import { violations } from "./violations.mjs";

after(quit);

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of [["a desk", { width: 1280, height: 800 }], ["a phone", { width: 390, height: 844 }]]) {
    test(`axe finds nothing in ${colorScheme} at ${size}`, async () => {
      // the policy would refuse a script that the test puts in
      const { page, mock, context } = await open({ services: 12 }, { viewport, colorScheme, bypassCSP: true });
      trouble(mock);
      await isDrawn(page);
      const found = [];
      for (const [view, hash] of Object.entries(VIEWS)) {
        await page.evaluate((to) => (location.hash = to), hash);
        await page.waitForTimeout(700);
        found.push(...(await violations(page, view)));
      }
      await page.evaluate(() => (location.hash = "#/service/api"));
      await page.getByRole("button", { name: "drain a" }).click();
      found.push(...(await violations(page, "the dialog")));
      await context.close();
      await mock.close();
      assert.deepEqual(found, []);
    });
  }
}

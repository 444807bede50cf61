/** Takes pictures of the views, to be looked at: `node test/pictures.mjs [folder [part of a name, such as phone-dark]...]`. */

import { mkdir } from "node:fs/promises";
import { isDrawn, open, quit } from "./browser.mjs";
import { trouble } from "./trouble.mjs";
import { VIEWS } from "./views.mjs";

const folder = process.argv[2] ?? new URL("pictures", import.meta.url).pathname;
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 }, wall: { width: 3840, height: 2160 } };
const only = process.argv.slice(3);

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
      await page.screenshot({ path: `${folder}/${name}.png`, fullPage: size === "phone" });
    }
    await context.close();
    await mock.close();
  }
}
await quit();

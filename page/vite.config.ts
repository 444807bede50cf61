import { defineConfig } from "vite";

/** The admin address that the development server passes the API on to. */
const proxy = process.env["EVENKEEL"] ?? "http://127.0.0.1:9900";

/** A token for it, where one is asked for. */
const token = process.env["EVENKEEL_TOKEN"];
const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};

export default defineConfig({
  // the admin address answers `/` with index.html, and has the other files below this path
  base: "/assets/",
  // inlined assets would need `data:` in the policy for more than images
  build: {
    outDir: "../src/admin/assets",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    // names without a hash: the binary embeds these files by name, and answers with an ETag
    rolldownOptions: {
      output: {
        entryFileNames: "page.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "page.css" : "[name][extname]"),
        codeSplitting: false,
      },
    },
  },
  server: {
    proxy: Object.fromEntries(["/api", "/healthz", "/login", "/logout"].map((path) => [path, { target: proxy, headers, changeOrigin: true }])),
  },
});

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Builds the console, src/console, into what the server ships. */
// biome-ignore lint/style/noDefaultExport: vite reads the default export
export default defineConfig({
  root: at("./src/console"),
  // Relative, so that a proxy may serve the console under a path of its own.
  base: "./",
  // Vite's development server passes the calls on to a server on the usual port.
  server: { proxy: { "^/(gotaskq|grpc)\\.": "http://127.0.0.1:8000" } },
  build: {
    outDir: at("./.build/console"),
    emptyOutDir: true,
    target: "es2022",
    // The strict Content-Security-Policy allows no inlined files, and one script needs no preloading.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
});

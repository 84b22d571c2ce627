import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { licences } from "./licences.ts";

const { page, worker } = licences(fileURLToPath(new URL(".", import.meta.url)));

// Names without hashes: the server has browsers ask each time whether a file is still the same.
export default defineConfig({
  root: "app",
  base: "/playground/",
  cacheDir: "../node_modules/.vite",
  plugins: [page],
  build: {
    outDir: "../assets/app",
    emptyOutDir: true,
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1024,
    target: "es2022",
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  worker: {
    format: "es",
    plugins: () => [worker],
    rollupOptions: { output: { entryFileNames: "[name].js" } },
  },
  // `npm run dev` has the calls answered by a server that runs beside it, at QUADRATE.
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/health", "/admin", "/info", "/tokenize", "/docs", "/openapi.json"].map((path) => [
        path,
        process.env.QUADRATE ?? "http://localhost:8000",
      ]),
    ),
  },
  test: { environment: "happy-dom", include: ["**/*.test.ts", "**/*.test.tsx"] },
});

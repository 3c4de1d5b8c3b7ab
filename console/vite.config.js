import { defineConfig } from "vite";

// The server whose interface the development server passes on: NEXUS_URL=http://127.0.0.1:8600 npm run dev
const server = process.env.NEXUS_URL ?? "http://127.0.0.1:8600";
const paths = ["/v1", "/readyz", "/healthz", "/metrics", "/openapi.json", "/docs"];

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  server: {
    host: "127.0.0.1",
    // Without keys the server takes requests of its own origin alone.
    proxy: Object.fromEntries(paths.map((p) => [p, { target: server, changeOrigin: true, headers: { origin: server } }])),
  },
  build: {
    target: "es2022",
    // The server's Content-Security-Policy is default-src 'self': nothing inline, no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { output: { entryFileNames: "assets/[name]-[hash].js", chunkFileNames: "assets/[name]-[hash].js",
      assetFileNames: "assets/[name]-[hash][extname]" } },
  },
});

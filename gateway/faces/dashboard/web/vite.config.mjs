import { defineConfig } from 'vite';

/** Where `npm run dev` finds a gateway. */
const gateway = process.env.NACOS_FED_GATEWAY ?? 'http://127.0.0.1:8080';
const paths = ['/v1', '/readyz', '/livez', '/openapi.json', '/docs'];

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { proxy: Object.fromEntries(paths.map((path) => [path, { target: gateway }])) },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    // One style sheet and no preloading: the policy of the page allows no element that a script would add for them.
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      input: { app: 'index.html', worker: 'src/live/worker.ts' },
      output: {
        // Names without hashes: a rebuilt bundle is a change of the same files, and the server answers with an ETag.
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: (asset) => (asset.names.some((name) => name.endsWith('.css')) ? 'app.css' : '[name][extname]'),
      },
    },
  },
  test: { include: ['test/**/*.test.{ts,tsx}'], environment: 'node' },
});

import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

/** Where `npm run dev` finds a gateway. */
const gateway = process.env.NACOS_FED_GATEWAY ?? 'http://127.0.0.1:8080';
const paths = ['/v1', '/readyz', '/livez', '/openapi.json', '/docs'];

/** Writes `licences.txt` beside the bundle: the licence of every package that a part of it is of, as the licences ask for. */
const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    const folders = new Set();
    for (const chunk of Object.values(bundle)) {
      for (const id of chunk.type === 'chunk' ? Object.keys(chunk.modules) : []) {
        const found = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+\//.exec(id);
        if (found) folders.add(found[0]);
      }
    }
    const texts = [...folders].map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));
      return `${name} ${version}: ${license}\n\n${readFileSync(`${folder}LICENSE`, 'utf8').trim()}\n`;
    });
    this.emitFile({ type: 'asset', fileName: 'licences.txt', source: texts.sort().join('\n\n') });
  },
};

export default defineConfig({
  plugins: [licences],
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

// What the bundle weighs, compressed, against its budgets: beyond one of them it ends with 1.
import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const dist = new URL('../../dist/', import.meta.url);
const KIB = 1024;
/** Bytes that a person on a slow line waits for. */
const BUDGETS = [
  ['scripts of the first page', 70 * KIB, firstScripts()],
  ['style sheet', 12 * KIB, ['app.css']],
  ['everything', 200 * KIB, readdirSync(dist)],
];

/** `app.js`, the fleet's chunk, and what these import. */
function firstScripts() {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name)) return;
    found.add(name);
    const source = readFileSync(new URL(name, dist), 'utf8');
    for (const [, other] of source.matchAll(/(?:from|import)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) visit(other);
  };
  visit('app.js');
  visit('fleet.js');
  return [...found];
}

let isOver = false;
for (const [what, budget, names] of BUDGETS) {
  const bytes = names.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length, 0);
  isOver ||= bytes > budget;
  console.log(`${what}: ${(bytes / KIB).toFixed(1)} KiB gzip of ${budget / KIB}${bytes > budget ? ', too much' : ''} (${names.length} files)`);
}
process.exit(isOver ? 1 : 0);

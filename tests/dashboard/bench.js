// The dashboard where there is much, in a real Chromium, beside its budgets; beyond one of them it ends with 1.
//
//   LISTS_BIN=target/release/bench-lists CHROMIUM=$(target/debug/harness path chromium)/browser node bench.js
//
// `bench-lists --serve` has 100,000 services, which change while pages are measured. Times are those of the page itself: of its own clock, from the
// key or the navigation until the rows of the answer stand in the document. What nobody does is measured in a tab that nobody touches, without changes.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { Browser } from './src/browser.js';

const KEYS = 12;
const IDLE_MS = 15_000;
const CLUSTERS = 50;
const MATRICES = 10;

/** A server with its pages, until `end`. */
class Lists {
  static async start(changes) {
    const lists = new Lists();
    lists.child = spawn(process.env.LISTS_BIN, ['--serve', '--changes', String(changes)], { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: lists.child.stdout })) {
      lists.base = /^listening at (\S+)\/$/.exec(line)?.[1];
      if (lists.base) return lists;
    }
    throw new Error('bench-lists ended before it listened');
  }

  async end() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
  }
}

const rows = [];
const told = (what, found, budget, unit) => rows.push({ what, found, budget, unit });

async function firstPage(browser, base) {
  const took = [];
  for (let round = 0; round < 5; round += 1) {
    const profile = await browser.profile({ base });
    await profile.open('/');
    took.push(await profile.page.evaluate(() => performance.now()));
    await profile.close();
  }
  told('first page interactive, worst of 5 new profiles', Math.max(...took), 1_000, 'ms');
}

/** From a key until the rows of its answer stand there, in the page's own time. */
async function keystrokes(page) {
  const took = [];
  const name = '012345';
  for (let round = 0; round < KEYS; round += 1) {
    const wanted = name.slice(0, 1 + (round % name.length));
    const measured = page.evaluate(rowsAfterKey, wanted);
    await page.locator('[data-search]').press(round % name.length === 0 ? 'Control+A' : 'End');
    await page.keyboard.type(wanted.at(-1));
    took.push(await measured);
  }
  told(`keystroke to rows among 100,000, worst of ${KEYS}`, Math.max(...took), 250, 'ms');
}

function rowsAfterKey(wanted) {
  return new Promise((resolve) => {
    let begun;
    const search = document.querySelector('[data-search]');
    search.addEventListener('input', () => (begun ??= performance.now()), { once: true });
    const look = () => {
      const names = [...document.querySelectorAll('main tbody tr')].map((row) => row.textContent);
      if (begun === undefined || search.value !== wanted || names.length === 0 || !names.every((text) => text.includes(wanted))) return;
      if (document.querySelector('main [aria-busy=true], main [data-state=loading]') !== null) return;
      observer.disconnect();
      resolve(performance.now() - begun);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector('main'), { childList: true, subtree: true, characterData: true, attributes: true });
  });
}

/** The longest time between two frames while the list is scrolled from end to end. */
function scrolled() {
  return new Promise((resolve) => {
    const steps = 60;
    let [last, worst, step] = [performance.now(), 0, 0];
    const frame = (now) => {
      worst = Math.max(worst, now - last);
      last = now;
      step += 1;
      if (step > steps) return resolve(worst);
      scrollTo(0, (document.documentElement.scrollHeight * step) / steps);
      return requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

async function services(browser, base) {
  const profile = await browser.profile({ base });
  const page = await profile.open('/services');
  told('rows in the document', await page.locator('main tbody tr').count(), 80, '');
  told('longest frame while scrolling', await page.evaluate(scrolled), 50, 'ms');
  await keystrokes(page);
  const cdp = await profile.context.newCDPSession(page);
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('Performance.enable');
  told('memory of the page', (await metric(cdp, 'JSHeapUsedSize')) / 2 ** 20, 40, 'MiB');
  profile.innocent();
  await profile.close();
}

async function metric(cdp, name) {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return metrics.find((it) => it.name === name).value;
}

/** The part of a core that a tab takes which nobody touches. */
async function idle(browser, base, route) {
  const profile = await browser.profile({ base });
  const page = await profile.open(route);
  const cdp = await profile.context.newCDPSession(page);
  await cdp.send('Performance.enable');
  const before = await metric(cdp, 'TaskDuration');
  await page.waitForTimeout(IDLE_MS); // The time itself is what is measured.
  const share = ((await metric(cdp, 'TaskDuration')) - before) / (IDLE_MS / 1_000);
  told(`idle tab at ${route}`, share * 100, 3, '% of a core');
  await profile.close();
}

/** What a matrix of many clusters costs each time that it is told anew. */
async function matrix(browser, base) {
  const profile = await browser.profile({ base });
  let round = 0;
  await profile.page.route('**/v1/links', (route) => route.fulfill({ json: links((round += 1)) }));
  const page = await profile.open('/');
  await page.locator('[data-observer]').first().waitFor();
  const took = [];
  for (let update = 0; update < MATRICES; update += 1) {
    took.push(await page.evaluate(matrixUpdate));
  }
  told(`an update of a matrix of ${CLUSTERS} x ${CLUSTERS}, worst of ${MATRICES}`, Math.max(...took), 100, 'ms');
  await profile.close();
}

/** The longest task of the page until a cell of the matrix says something else. */
function matrixUpdate() {
  return new Promise((resolve) => {
    let longest = 0;
    const tasks = new PerformanceObserver((list) => list.getEntries().forEach((task) => (longest = Math.max(longest, task.duration))));
    tasks.observe({ type: 'longtask' });
    const changes = new MutationObserver(() => {
      changes.disconnect();
      // Entries of a task are told after it has ended.
      setTimeout(() => {
        tasks.disconnect();
        resolve(longest);
      }, 250);
    });
    changes.observe(document.querySelector('[data-observer]').closest('table'), { childList: true, subtree: true, characterData: true, attributes: true });
  });
}

function links(round) {
  const clusters = Array.from({ length: CLUSTERS }, (_, number) => `cluster-${String(number).padStart(2, '0')}`);
  const cell = (origin, number) => ({ origin, freshness: (number + round) % 9 === 0 ? 'stale' : 'live', ageMs: 100 * ((number * 7 + round) % 50), verdict: 'equal' });
  const row = (cluster, number) => ({
    cluster,
    replica: '00000001',
    name: `${cluster}-0`,
    leads: true,
    own: number === 0,
    alive: true,
    saidAgeMs: 300,
    links: clusters.map(cell),
  });
  return { observers: clusters.map(row) };
}

function table() {
  const text = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
  console.log(`\n${'what'.padEnd(58)}${'measured'.padStart(12)}${'budget'.padStart(10)}`);
  for (const { what, found, budget, unit } of rows) {
    console.log(`${what.padEnd(58)}${text(found).padStart(12)}${text(budget).padStart(10)} ${unit}${found > budget ? '  TOO MUCH' : ''}`);
  }
  return rows.every(({ found, budget }) => found <= budget);
}

const [changing, still, browser] = await Promise.all([Lists.start(20), Lists.start(0), Browser.launch(process.env.CHROMIUM)]);
let isWithin = false;
try {
  await firstPage(browser, still.base);
  await services(browser, changing.base);
  await idle(browser, still.base, '/');
  await idle(browser, still.base, '/services');
  await matrix(browser, still.base);
  isWithin = table();
} finally {
  await Promise.all([browser.close(), changing.end(), still.end()]);
}
process.exit(isWithin ? 0 : 1);

// Awaiting conditions. Nothing here sleeps for its own sake: a probe is asked again until it answers.

const AGAIN_MS = 40;

/** How long anything may take that no issue bounds: servers of this machine that start, stop or catch up. */
export const PATIENCE_MS = 30_000;

/**
 * The first answer of `probe` that is not null, undefined, false or an error.
 *
 * @param {string} what for the error, in words
 * @param {() => unknown} probe asked again and again
 * @param {number} withinMs how long
 */
export async function until(what, probe, withinMs = PATIENCE_MS) {
  const end = Date.now() + withinMs;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last !== null && last !== undefined && last !== false) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end) throw new Error(`${what}: not within ${withinMs} ms; last: ${shown(last)}`);
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

function shown(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}

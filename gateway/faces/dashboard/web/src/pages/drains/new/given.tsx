/** The order is in force: how far its ramp is, and the way back. */
import { useEffect, useRef } from 'preact/hooks';
import type { DrainDocument } from '../../../api/types';
import { formatAge, formatPercent } from '../../../i18n/formats';
import { announce } from '../../../live/announce';
import { text } from '../messages';
import { UndoButton } from '../undo';

/** The drain as it stands. */
export function GivenPart({ drain }: { drain: DrainDocument }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const said = drain.percent === 0 && drain.goalPercent === 0
    ? text('given.undone')
    : text('given.title', { target: drain.target, percent: formatPercent(drain.percent) });
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => announce(said), [said]);
  return (
    <section class="panel stack" data-step="given" data-percent={drain.percent}>
      <h2 ref={heading} tabIndex={-1}>{said}</h2>
      <DrainProgress of={drain} />
      <div class="row">
        {drain.goalPercent > 0 && <UndoButton drain={drain} />}
        <a class="button" href="/drains">{text('given.all')}</a>
      </div>
    </section>
  );
}

/** How far a ramp is; nothing where there is none. */
export function DrainProgress({ of }: { of: DrainDocument }) {
  if (of.endsInMs === null || of.percent === of.goalPercent) return null;
  const going = { percent: formatPercent(of.percent), goal: formatPercent(of.goalPercent), age: formatAge(of.endsInMs) };
  return (
    <div>
      <progress max={of.goalPercent} value={of.percent} aria-label={text('given.progress')} />
      <p class="muted">{text('given.going', going)}</p>
    </div>
  );
}

/** The dry run, and the confirmation that its effect deserves. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatPercent } from '../../../i18n/formats';
import { ErrorState } from '../../../ui/states';
import { ComparisonView } from '../../comparison/comparison';
import { confirmKind, isRefused, losingServices, targetOf, type DrainDraft } from '../draft';
import { text } from '../messages';
import type { WizardStep } from './steps';

/** A step that has a dry run to show. */
export type LookStep = Extract<WizardStep, { at: 'look' | 'checking' | 'giving' }>;

/** What would change, and the button that makes it so. */
export function LookPart(props: { step: LookStep; draft: DrainDraft; before: number; onAgain: () => void; onGive: () => void; onLeave: () => void }) {
  const { step, draft } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const isChanged = step.at === 'look' && step.isChanged;
  return (
    <section class="panel stack" data-step="look">
      <h2 ref={heading} tabIndex={-1}>{text('dry.title')}</h2>
      {isChanged && <div class="note" role="alert" data-state="changed">{text('dry.again')}</div>}
      <ComparisonView of={step.shown} />
      {step.at === 'look' && step.error && <ErrorState error={step.error} />}
      {isRefused(draft, step.shown) ? (
        <div class="note row" data-state="refused">
          <span>{text('dry.refused')}</span>
          <button type="button" onClick={props.onLeave}>{text('dry.leave')}</button>
        </div>
      ) : (
        <ConfirmPart key={draft.cluster} {...props} />
      )}
      <div><button type="button" onClick={props.onAgain} disabled={step.at !== 'look'}>{text('dry.renew')}</button></div>
    </section>
  );
}

function ConfirmPart({ step, draft, before, onGive }: { step: LookStep; draft: DrainDraft; before: number; onGive: () => void }) {
  const [typed, setTyped] = useState('');
  const kind = confirmKind(draft, before);
  const isBusy = step.at !== 'look';
  useEffect(() => setTyped(''), [step.at === 'look' && step.isChanged ? step.shown : null]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (kind !== 'type' || typed === draft.cluster) onGive();
  };
  return (
    <form class="row" data-confirm={kind} onSubmit={submit}>
      {kind === 'type' && (
        <label class="field">
          {text('confirm.type', { cluster: draft.cluster })}
          <input class="mono" name="typed" autocomplete="off" spellcheck={false} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
      )}
      <button type="submit" class={kind === 'click' ? 'primary' : 'danger'} data-action="give" data-acts="drain" disabled={isBusy || (kind === 'type' && typed !== draft.cluster)}>
        {isBusy ? text('confirm.given') : confirmText(draft, before, losingServices(step.shown))}
      </button>
    </form>
  );
}

/** What the button does, in words. */
function confirmText(draft: DrainDraft, before: number, losing: number): string {
  const percent = formatPercent(draft.percent);
  if (confirmKind(draft, before) !== 'click') return text.count('confirm.name', losing, { percent, cluster: draft.cluster });
  return draft.percent === 0 ? text('confirm.undo', { target: targetOf(draft) }) : text('confirm.lower', { target: targetOf(draft), percent });
}

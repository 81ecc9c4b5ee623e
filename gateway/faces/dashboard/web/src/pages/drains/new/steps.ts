/**
 * The steps of the wizard, without a page: edit → try → look → give → given.
 *
 * The invariant is that nothing is ordered but what was looked at: between the click and the order the dry run is made once more, and if it says
 * anything else than what is shown, that is shown in its place and the click does not count. A change of the draft begins anew.
 *
 *     edit ──try──▶ trying ──answer──▶ look ──give──▶ checking ──same──▶ giving ──taken──▶ given
 *      ▲              │                 ▲ ▲              │                  │
 *      └──── fail ────┘                 │ └── differs ───┘                  │
 *      └──────────── edit (from anywhere but giving and given) ─────────────┘ fail (with the problem)
 */
import type { ComparisonDocument, DrainDocument } from '../../../api/types';
import { isSameComparison } from '../draft';

/** Where somebody is. */
export type WizardStep =
  | { at: 'edit'; error: Error | null }
  | { at: 'trying' }
  | { at: 'look'; shown: ComparisonDocument; isChanged: boolean; error: Error | null }
  | { at: 'checking'; shown: ComparisonDocument }
  | { at: 'giving'; shown: ComparisonDocument }
  | { at: 'given'; drain: DrainDocument };

/** What happens. */
export type WizardEvent =
  | { kind: 'edit' }
  | { kind: 'try' }
  | { kind: 'tried'; answer: ComparisonDocument }
  | { kind: 'give' }
  | { kind: 'taken'; drain: DrainDocument }
  | { kind: 'failed'; error: Error };

/** Where it begins. */
export const FIRST_STEP: WizardStep = { at: 'edit', error: null };

/** The step after `event`; what does not fit the step changes nothing. */
export function nextStep(step: WizardStep, event: WizardEvent): WizardStep {
  switch (event.kind) {
    case 'edit':
      return step.at === 'giving' ? step : FIRST_STEP;
    case 'try':
      return step.at === 'edit' || step.at === 'look' ? { at: 'trying' } : step;
    case 'tried':
      return afterTrial(step, event.answer);
    case 'give':
      return step.at === 'look' ? { at: 'checking', shown: step.shown } : step;
    case 'taken':
      return step.at === 'giving' ? { at: 'given', drain: event.drain } : step;
    case 'failed':
      return afterFailure(step, event.error);
  }
}

function afterTrial(step: WizardStep, answer: ComparisonDocument): WizardStep {
  switch (step.at) {
    case 'trying':
      return { at: 'look', shown: answer, isChanged: false, error: null };
    case 'look':
      return isSameComparison(step.shown, answer) ? step : { at: 'look', shown: answer, isChanged: true, error: null };
    case 'checking':
      return isSameComparison(step.shown, answer) ? { at: 'giving', shown: step.shown } : { at: 'look', shown: answer, isChanged: true, error: null };
    default:
      return step;
  }
}

function afterFailure(step: WizardStep, error: Error): WizardStep {
  switch (step.at) {
    case 'trying':
      return { at: 'edit', error };
    case 'checking':
    case 'giving':
      return { at: 'look', shown: step.shown, isChanged: false, error };
    default:
      return step;
  }
}

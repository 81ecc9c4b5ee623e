/** The wizard: a draft, its dry run, a confirmation in proportion, and what then happens. */
import { useEffect, useMemo, useReducer, useRef } from 'preact/hooks';
import { ask, order } from '../../../api/client';
import type { ClustersDocument, ComparisonDocument, DrainDocument, DrainsDocument } from '../../../api/types';
import { may, me, meError } from '../../../gateway';
import { onChange } from '../../../live/bus';
import { useLive } from '../../../live/useLive';
import { currentQuery, setQuery } from '../../../router';
import { ErrorState, LoadingState, StateBox } from '../../../ui/states';
import { PageFrame } from '../../../ui/panel';
import { draftOf, orderOf, targetOf, type DrainDraft } from '../draft';
import { text } from '../messages';
import { DraftForm } from './form';
import { GivenPart } from './given';
import { LookPart } from './look';
import { FIRST_STEP, nextStep, type WizardStep } from './steps';

/** Least milliseconds between dry runs that changes of the federation cause. */
const AGAIN_MS = 3000;
/** What a dry run depends on. */
const TOPICS = ['services', 'clusters', 'drains', 'holds', 'policy'] as const;

/** The page. */
export default function DrainWizardPage() {
  if (me.value === null) return <PageFrame title={text('wizard.title')}>{meError.value ? <ErrorState error={meError.value} /> : <LoadingState />}</PageFrame>;
  if (!may('operate')) return <PageFrame title={text('wizard.title')}><StateBox kind="403" title={text('may.not')} /></PageFrame>;
  return <Wizard />;
}

function Wizard() {
  const draft = draftOf(currentQuery.value);
  const clusters = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const drains = useLive<DrainsDocument>({ key: 'drains', topics: ['drains'], everyMs: 2000, fetch: (signal) => ask('/v1/drains', { effects: 'false' }, signal) });
  const { step, edit, attempt, give } = useWizard(draft);
  const target = step.at === 'given' ? step.drain.target : targetOf(draft);
  const inForce = drains.state.value.data?.drains.find((drain) => drain.target === target);
  const change = (part: Partial<DrainDraft>) => {
    setQuery(part.last === 'refuse' ? { ...part, last: null } : { ...part });
    edit();
  };
  return (
    <PageFrame title={text('wizard.title')}>
      <StepList step={step} />
      {step.at !== 'given' && (
        <DraftForm
          draft={draft} clusters={clusters.state.value.data?.clusters ?? []} before={goalOf(inForce)} error={step.at === 'edit' ? step.error : null}
          isTrying={step.at === 'trying'} onChange={change} onTry={attempt}
        />
      )}
      {'shown' in step && <LookPart step={step} draft={draft} before={goalOf(inForce)} onAgain={attempt} onGive={give} onLeave={() => change({ last: 'leave' })} />}
      {step.at === 'given' && <GivenPart drain={inForce ?? step.drain} />}
    </PageFrame>
  );
}

function goalOf(drain: DrainDocument | undefined): number {
  return drain ? Math.max(drain.percent, drain.goalPercent) : 0;
}

function StepList({ step }: { step: WizardStep }) {
  const at = step.at === 'given' ? 'given' : 'shown' in step ? 'look' : 'draft';
  return (
    <ol class="step-list" aria-label={text('wizard.title')}>
      {(['draft', 'look', 'given'] as const).map((name) => <li key={name} aria-current={name === at ? 'step' : undefined}>{text(`step.${name}`)}</li>)}
    </ol>
  );
}

/** The steps, and the questions that lead from one to the next. An answer to a question about another draft is dropped. */
function useWizard(draft: DrainDraft) {
  const [step, tell] = useReducer(nextStep, FIRST_STEP);
  const now = useRef({ draft, step });
  now.current = { draft, step };
  const moves = useMemo(() => {
    const fail = (error: unknown) => tell({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
    const dryRun = async () => {
      const asked = JSON.stringify(now.current.draft);
      const answer = await order<ComparisonDocument>('/v1/drains', orderOf(now.current.draft, true), { limit: 1000 });
      if (asked === JSON.stringify(now.current.draft)) tell({ kind: 'tried', answer: answer.data });
    };
    const giveIt = async () => {
      const taken = await order<DrainDocument>('/v1/drains', orderOf(now.current.draft, false));
      tell({ kind: 'taken', drain: taken.data });
    };
    return {
      edit: () => tell({ kind: 'edit' }),
      attempt: () => {
        tell({ kind: 'try' });
        dryRun().catch(fail);
      },
      give: () => {
        tell({ kind: 'give' });
        dryRun().catch(fail);
      },
      renew: () => void dryRun().catch(() => undefined), // What is shown stands until it is confirmed, and is tried anew then.
      giveIt: () => void giveIt().catch(fail),
    };
  }, []);
  useEffect(() => {
    if (step.at === 'giving') moves.giveIt();
    if (step.at !== 'look') return;
    let waits: ReturnType<typeof setTimeout> | undefined;
    const stop = onChange(TOPICS, () => (waits ??= setTimeout(() => {
      waits = undefined;
      moves.renew();
    }, AGAIN_MS)));
    return () => {
      stop();
      clearTimeout(waits);
    };
  }, [step.at]);
  return { step, ...moves };
}


/** One click gives the traffic back. */
import { useState } from 'preact/hooks';
import { order } from '../../api/client';
import type { DrainDocument } from '../../api/types';
import { ErrorState } from '../../ui/states';
import { undoOf } from './draft';
import { text } from './messages';

/** The button. What went wrong stands beside it. */
export function UndoButton({ drain, onDone }: { drain: DrainDocument; onDone?: () => void }) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const undo = async () => {
    setBusy(true);
    setError(null);
    try {
      await order('/v1/drains', undoOf(drain));
      onDone?.();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" data-action="undo" data-acts="drain" disabled={isBusy} aria-label={text('undo.of', { target: drain.target })} onClick={() => void undo()}>{text('undo')}</button>
      {error && <ErrorState error={error} />}
    </>
  );
}

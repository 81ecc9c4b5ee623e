/** Asks before instances go: the button says how many; where it is all of a namespace, the cluster's id has to be typed. */
import { useState } from 'preact/hooks';
import type { HoldDocument } from '../../api/types';
import { words } from '../../i18n/words';
import { ModalDialog } from '../../ui/dialog';
import { text } from './messages';

/** The question about one hold. */
export function ReleaseDialog({ hold, onClose, onRelease }: { hold: HoldDocument; onClose: () => void; onRelease: (reason: string) => void }) {
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const { id, kept, cluster } = hold;
  const isAll = hold.percent >= 100;
  const isReady = !isAll || typed === cluster;
  const submit = (event: Event) => {
    event.preventDefault();
    if (isReady) onRelease(reason.trim());
  };
  return (
    <ModalDialog title={text('ask.title', { id })} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <p>{text.count('ask.effect', kept)}</p>
        {isAll && (
          <label class="field">
            {text('ask.type', { cluster })}
            <input class="mono" name="typed" autocomplete="off" spellcheck={false} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
        )}
        <label class="field">
          {text('ask.reason')}
          <input name="reason" maxLength={300} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>{words('cancel')}</button>
          <button type="submit" class="danger" data-action="confirm-release" data-acts="release" disabled={!isReady}>{text.count('ask.do', kept, { id })}</button>
        </div>
      </form>
    </ModalDialog>
  );
}

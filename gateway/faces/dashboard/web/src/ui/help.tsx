/** What keys do. */
import { words } from '../i18n/words';
import { ModalDialog } from './dialog';
import { shortcutsOn, switchShortcuts } from './keys';
import { shell } from './messages';

const KEYS = [
  ['/', 'help.search'],
  ['g f', 'help.fleet'],
  ['g s', 'help.services'],
  ['g c', 'help.configs'],
  ['g d', 'help.drains'],
  ['g t', 'help.timeline'],
  ['?', 'help.help'],
  ['← ↑ → ↓', 'help.arrows'],
] as const;

/** The list of keys, and the switch that turns those of one letter off. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <ModalDialog title={shell('help.title')} onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, text]) => <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{shell(text)}</dd></div>)}
      </dl>
      <label class="check">
        <input type="checkbox" checked={shortcutsOn.value} onChange={(event) => switchShortcuts(event.currentTarget.checked)} />
        {shell('help.switch')}
      </label>
      <div class="dialog-actions"><button type="button" onClick={onClose}>{words('close')}</button></div>
    </ModalDialog>
  );
}

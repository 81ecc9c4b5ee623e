/** The same for programs: the documents as the API answers them, and the commands that print them. */
import { useState } from 'preact/hooks';
import { ask } from '../../api/client';
import type { ServiceName } from '../../api/types';
import { useLive } from '../../live/useLive';
import { currentQuery } from '../../router';
import { CopyButton, PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { planUrl, readCaller, serviceUrl } from './caller';
import { changesCommand, planCommand, serviceCommand } from './commands';
import { text } from './messages';

/** The tab. */
export function JsonTab({ service }: { service: ServiceName }) {
  const [kind, setKind] = useState<'service' | 'plan'>('service');
  const caller = readCaller(currentQuery.value);
  const url = kind === 'service' ? serviceUrl('/v1/service', service) : planUrl('/v1/resolve', service, caller);
  const live = useLive<object>({ key: url, topics: ['services', 'clusters', 'drains', 'policy'], fetch: (signal) => ask(url, {}, signal) });
  const server = location.origin;
  const commands = [
    serviceCommand(service, server),
    planCommand('resolve', service, caller, server),
    planCommand('explain', service, caller, server),
    changesCommand(service, server),
  ];
  return (
    <div class="stack">
      <PagePanel title={text('commands')}>
        <ul class="plain-list stack">
          {commands.map((command) => <li key={command} class="command"><code>{command}</code><CopyButton text={command} /></li>)}
        </ul>
      </PagePanel>
      <PagePanel title={text('json')} live={live} actions={<DocumentChoice kind={kind} onChoose={setKind} />}>
        <p class="command"><code>GET {url}</code></p>
        <LiveView of={live}>{(data) => <JsonText of={data} />}</LiveView>
      </PagePanel>
    </div>
  );
}

function DocumentChoice({ kind, onChoose }: { kind: string; onChoose: (kind: 'service' | 'plan') => void }) {
  return (
    <label class="row">
      <span class="muted">{text('json.of')}</span>
      <select value={kind} onChange={(event) => onChoose(event.currentTarget.value === 'plan' ? 'plan' : 'service')}>
        <option value="service">{text('json.service')}</option>
        <option value="plan">{text('json.plan')}</option>
      </select>
    </label>
  );
}

/** Longest text that is drawn; a copy has all of it. */
const DRAWN = 100_000;

/** A document as text. */
export function JsonText({ of }: { of: object }) {
  const whole = JSON.stringify(of, null, 2);
  return (
    <>
      <CopyButton text={whole} />
      <pre class="json" tabIndex={0}>{whole.length > DRAWN ? `${whole.slice(0, DRAWN)}\n…` : whole}</pre>
    </>
  );
}

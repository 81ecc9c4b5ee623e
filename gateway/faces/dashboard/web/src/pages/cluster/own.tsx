/** What the answering gateway says of its own parts: Nacos, the log, refused calls, findings about topics. */
import { ask } from '../../api/client';
import type { ReasonCode, StatusDocument, TroubleDocument } from '../../api/types';
import { me } from '../../gateway';
import { formatAge } from '../../i18n/formats';
import { codeText, statusReason } from '../../i18n/words';
import { useLive } from '../../live/useLive';
import { TimeMark } from '../../ui/badges';
import { PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { text } from './messages';

/** The panel; of another cluster it says who could tell. */
export function OwnPanel({ isOwn }: { isOwn: boolean }) {
  if (!isOwn) return <PagePanel title={text('own')}><p class="muted">{text('own.only', { cluster: me.value?.cluster ?? '' })}</p></PagePanel>;
  return <OwnStatus />;
}

/** The status of the answering gateway. */
export function OwnStatus() {
  const live = useLive<StatusDocument>({ key: 'status', topics: ['gateway', 'clusters'], everyMs: 5000, fetch: (signal) => ask('/v1/status', {}, signal) });
  return (
    <PagePanel title={text('own')} live={live}>
      <LiveView of={live}>
        {(data) => (
          <div class="stack">
            <dl class="facts">
              <dt>{text('version')}</dt><dd>{data.version}</dd>
              <dt>{text('uptime')}</dt><dd>{formatAge(data.uptimeMs)}</dd>
              {Object.entries(data.facts).map(([name, value]) => <FactRow key={name} name={name} value={value} />)}
            </dl>
            <h3>{text('troubles')}</h3>
            <TroubleList troubles={data.troubles} reasons={data.reasons} codes={data.reasonCodes ?? []} />
          </div>
        )}
      </LiveView>
    </PagePanel>
  );
}

function FactRow({ name, value }: { name: string; value: string }) {
  return <><dt class="mono">{name}</dt><dd>{value}</dd></>;
}

function TroubleList({ troubles, reasons, codes }: { troubles: TroubleDocument[]; reasons: string[]; codes: ReasonCode[] }) {
  const others = reasons.map((reason, at) => ({ reason, code: codes[at] })).filter(({ reason }) => !troubles.some((it) => it.text === reason));
  if (troubles.length === 0 && others.length === 0) return <p>{text('troubles.none')}</p>;
  return (
    <ul>
      {troubles.map((it) => (
        <li key={`${it.kind} ${it.about}`}>
          <strong>{codeText('trouble', { code: it.kind }, it.kind)}</strong> {it.about && <span class="mono">{it.about}</span>} <span class="muted"><TimeMark atMs={it.sinceMs} /></span>
          <p class="detail">{it.text}</p>
        </li>
      ))}
      {others.map(({ reason, code }) => <li key={reason}>{statusReason(code, reason)}</li>)}
    </ul>
  );
}

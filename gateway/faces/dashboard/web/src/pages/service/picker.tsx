/** Who asks for the plan: a cluster, or anything that a caller may say of itself. */
import { ask } from '../../api/client';
import type { ClustersDocument } from '../../api/types';
import { useLive } from '../../live/useLive';
import { setQuery } from '../../router';
import { words } from '../../i18n/words';
import type { PlanCaller } from './caller';
import { text } from './messages';

const FIELDS = ['region', 'zone', 'subZone', 'network'] as const;

/** The picker. What is chosen goes into the address. */
export function CallerPicker({ caller }: { caller: PlanCaller }) {
  const clusters = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const known = clusters.state.value.data?.clusters.map((it) => it.cluster) ?? [];
  const names = [...new Set([...known, ...(caller.cluster === '' ? [] : [caller.cluster])])].sort();
  const saysMore = FIELDS.some((field) => caller[field] !== '') || caller.labels.length > 0;
  return (
    <fieldset class="plan-caller">
      <legend>{text('caller')}</legend>
      <label class="field">
        <span>{words('cluster')}</span>
        <select value={caller.cluster} onChange={(event) => setQuery({ cluster: event.currentTarget.value })}>
          <option value="">{text('caller.own')}</option>
          {names.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      </label>
      <details open={saysMore}>
        <summary>{text('caller.more')}</summary>
        <div>
          {FIELDS.map((field) => (
            <label key={field} class="field">
              <span>{text(`caller.${field}`)}</span>
              <input value={caller[field]} onChange={(event) => setQuery({ [field]: event.currentTarget.value.trim() })} />
            </label>
          ))}
          <label class="field">
            <span>{text('caller.labels')}</span>
            <textarea rows={2} value={caller.labels.join('\n')} onChange={(event) => setQuery({ label: lines(event.currentTarget.value) })} />
          </label>
        </div>
      </details>
    </fieldset>
  );
}

function lines(typed: string): string[] {
  return typed.split('\n').map((line) => line.trim()).filter((line) => line !== '');
}

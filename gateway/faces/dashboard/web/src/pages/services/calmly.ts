/** A live list whose rows do not jump, and which stays while the next one, of another filter, is on its way. */
import { signal } from '@preact/signals';
import { useMemo, useRef } from 'preact/hooks';
import type { LiveDocument, LiveState } from '../../live/useLive';
import { calmList, takeNews, type CalmList } from './calm';
import type { ServicesDocument } from './types';

/** What a page shows of a live list. */
export interface ShownList {
  /** The list as it is shown. */
  live: LiveDocument<ServicesDocument>;
  /** How many rows wait to be shown. */
  changes: number;
  /** Whether it is still the list of the last filter. */
  isOld: boolean;
  /** Shows what waits. */
  show: () => void;
}

/** Keeps `live` calm; `key` names the filter, with which the list begins anew. */
export function useCalmList(live: LiveDocument<ServicesDocument>, key: string): ShownList {
  const state = live.state.value;
  const kept = useRef<{ key: string; of: ServicesDocument; list: CalmList; state: LiveState<ServicesDocument> } | null>(null);
  const shown = useMemo(() => signal<LiveState<ServicesDocument>>(state), []);
  const asked = useMemo(() => signal(0), []);
  asked.value; // Draws anew when the person asks for what waits.
  const { data } = state;
  if (data !== null && (kept.current?.key !== key || kept.current.of !== data)) {
    const list = kept.current?.key === key ? takeNews(kept.current.list, data) : calmList(data);
    kept.current = { key, of: data, list, state };
  }
  const isOld = data === null && state.error === null && kept.current !== null;
  const list = kept.current?.list;
  const drawn = isOld && kept.current ? { ...kept.current.state, data: list?.shown ?? null } : { ...state, data: data && list ? list.shown : null };
  const show = () => {
    if (!kept.current?.list.waiting) return;
    kept.current = { ...kept.current, list: calmList(kept.current.list.waiting) };
    asked.value += 1;
  };
  if (!isSame(shown.peek(), drawn)) shown.value = drawn;
  return { live: { state: shown, refresh: () => live.refresh() }, changes: isOld ? 0 : (list?.changes ?? 0), isOld, show };
}

function isSame(a: LiveState<ServicesDocument>, b: LiveState<ServicesDocument>): boolean {
  return a.data === b.data && a.atMs === b.atMs && a.error === b.error;
}

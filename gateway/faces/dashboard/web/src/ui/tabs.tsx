/** Tabs: arrow keys move among them, and only the chosen one is in the order of the tabulator key. */
import type { ComponentChildren } from 'preact';
import { useId, useRef } from 'preact/hooks';
import { movedIndex } from './arrows';

/** One tab. */
export interface TabItem {
  key: string;
  label: string;
}

/** A list of tabs and the panel of the chosen one. What is chosen is the caller's to keep, in the address. */
export function TabPanel(props: { label: string; tabs: readonly TabItem[]; chosen: string; onChoose: (key: string) => void; children: ComponentChildren }) {
  const { tabs, chosen, onChoose } = props;
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const at = movedIndex(event.key, tabs.findIndex((tab) => tab.key === chosen), tabs.length);
    const next = at === null ? undefined : tabs[at];
    if (!next) return;
    event.preventDefault();
    onChoose(next.key);
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[at ?? 0]?.focus();
  };
  return (
    <>
      <div ref={list} role="tablist" aria-label={props.label} class="tabs" onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.key} type="button" role="tab" id={`${id}-${tab.key}`} aria-controls={`${id}-panel`}
            aria-selected={tab.key === chosen} tabIndex={tab.key === chosen ? 0 : -1} onClick={() => onChoose(tab.key)}
          >{tab.label}</button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} tabIndex={0}>{props.children}</div>
    </>
  );
}

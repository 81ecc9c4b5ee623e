/** Parts of a page. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';
import { shell } from './messages';
import type { LiveDocument } from '../live/useLive';
import { AsOf } from './states';

/** A page: its heading, which is also the title of the window, and what stands beside it. */
export function PageFrame({ title, aside, children }: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  const product = shell('product');
  useEffect(() => {
    document.title = `${title} · ${product}`;
  }, [title, product]);
  return (
    <>
      <div class="page-head"><h1 tabIndex={-1}>{title}</h1>{aside}</div>
      {children}
    </>
  );
}

/** A section with its own heading, and from when it is. */
export function PagePanel<T>(props: { title: string; live?: LiveDocument<T>; actions?: ComponentChildren; children: ComponentChildren }) {
  const heading = useId();
  return (
    <section class="panel" aria-labelledby={heading}>
      <div class="panel-head">
        <h2 id={heading}>{props.title}</h2>
        {props.actions}
        {props.live && <AsOf of={props.live} />}
      </div>
      {props.children}
    </section>
  );
}

/** Copies a text; where the browser has no clipboard, as on http with a name, the text is marked for the person to copy. */
export function CopyButton({ text, label }: { text: string; label?: string }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!copiedBySelection(text)) return;
    }
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return <button type="button" class="small" onClick={() => void copy()}>{isDone ? shell('copied') : label ?? shell('copy')}</button>;
}

function copiedBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'sr-only';
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  return isDone;
}

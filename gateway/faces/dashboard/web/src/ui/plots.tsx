/** Plots as SVG of our own: what they show is also said in words, and their colours are classes of the style sheet. */
import { formatShare } from '../i18n/formats';
import { shell } from './messages';

/** The points of a line in a box of `width` × `height`, the ring's oldest point left; nulls break the line. Values are drawn from 0 to `top`. */
export function linePath(values: readonly (number | null)[], width: number, height: number, top: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const scale = top > 0 ? height / top : 0;
  let path = '';
  let isDrawn = false;
  for (const [at, value] of values.entries()) {
    if (value === null) {
      isDrawn = false;
      continue;
    }
    const point = `${round(at * step)} ${round(height - Math.min(value, top) * scale)}`;
    path += `${isDrawn ? 'L' : 'M'}${point}`;
    isDrawn = true;
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The largest value that is there; 0 of none. */
export function largest(values: readonly (number | null)[]): number {
  return values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
}

/** A line in the height of a text. `label` says what it shows. */
export function SparkLine({ values, label }: { values: readonly (number | null)[]; label: string }) {
  const top = Math.max(1, largest(values));
  return (
    <svg class="spark" viewBox="0 0 120 24" role="img" aria-label={label}>
      <title>{label}</title>
      <path class="line series-1" d={linePath(values, 120, 22, top)} transform="translate(0 1)" />
    </svg>
  );
}

/** One line of a plot. */
export interface PlotLine {
  name: string;
  values: readonly (number | null)[];
}

/** Lines over time, with a scale from 0 to the largest value and a legend. `marks` are the texts of the scale's end and of both ends of time. */
export function LinePlot(props: { label: string; lines: readonly PlotLine[]; topText: (top: number) => string; fromText: string; toText: string }) {
  const { label, lines } = props;
  const top = Math.max(1, ...lines.map((line) => largest(line.values)));
  return (
    <figure class="plot">
      <svg viewBox="0 0 600 140" role="img" aria-label={label}>
        <title>{label}</title>
        <path class="axis" d="M0 130H600M0 10H600M0 70H600" />
        {lines.map((line, at) => <path key={line.name} class={`line ${seriesClass(at)}`} d={linePath(line.values, 600, 120, top)} transform="translate(0 10)" />)}
      </svg>
      <div class="plot-scale"><span>{props.fromText}</span><span>{props.topText(top)}</span><span>{props.toText}</span></div>
      <figcaption><PlotLegend names={lines.map((line) => line.name)} /></figcaption>
    </figure>
  );
}

/** What the colours stand for. */
export function PlotLegend({ names }: { names: readonly string[] }) {
  return (
    <ul class="legend">
      {names.map((name, at) => (
        <li key={name}><svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><rect class={seriesClass(at)} width="12" height="12" rx="2" /></svg>{name}</li>
      ))}
    </ul>
  );
}

/** Colours that a plot has; the seventh series has the first colour again, and its name. */
const SERIES = 6;

/** The class of the series at `at`. */
export function seriesClass(at: number): string {
  return `series-${(at % SERIES) + 1}`;
}

/** Shares of one whole, in millionths, side by side; what is missing to the whole stays empty. `order` gives each name its colour. */
export function ShareBar({ shares, order, label }: { shares: Readonly<Record<string, number>>; order: readonly string[]; label: string }) {
  let from = 0;
  const parts = order.filter((name) => (shares[name] ?? 0) > 0).map((name) => {
    const width = (shares[name] ?? 0) / 1000;
    const part = { name, at: from, width };
    from += width;
    return part;
  });
  return (
    <svg class="share-bar" viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="share-rest" width="1000" height="12" />
      {parts.map((part) => <rect key={part.name} class={seriesClass(order.indexOf(part.name))} x={part.at} width={part.width} height="12" />)}
    </svg>
  );
}

/** The same in words, the largest first: `shanghai 60%, frankfurt 40%`. */
export function sharesText(shares: Readonly<Record<string, number>>): string {
  const parts = Object.entries(shares).filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  return parts.length === 0 ? shell('share.nothing') : parts.map(([name, share]) => `${name} ${formatShare(share)}`).join(', ');
}

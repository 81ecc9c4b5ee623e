/** A share as a bar beside its number. */
import { formatShare } from '../../i18n/formats';

/** Millionths of all requests. */
const WHOLE = 1_000_000;

/** A bar; the number says the same. */
export function ShareBar({ share }: { share: number }) {
  const width = Math.max(0, Math.min(100, (share / WHOLE) * 100));
  return (
    <span class="share">
      <svg class="plan-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width={width} height="10" /></svg>
      {formatShare(share)}
    </span>
  );
}

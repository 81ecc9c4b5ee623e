import { LoadingState } from '../../ui/states';

/** The page. */
export default function ComingPage() {
  return <LoadingState />;
}

/** The page as a whole: the frame, and in it what stands at the address. */
import { Component, type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { UnreachableError } from './api/client';
import { currentPath } from './router';
import { ROUTES, routeOf, type PageComponent, type PageRoute } from './pages/routes';
import { PageLayout } from './ui/layout';
import { ErrorState, LoadingState, StateBox } from './ui/states';
import { PageFrame } from './ui/panel';
import { shell } from './ui/messages';

const loaded = new Map<PageRoute, PageComponent>();

/** The dashboard. */
export function DashboardApp() {
  const path = currentPath.value;
  return (
    <PageLayout>
      <FaultBoundary key={path}><RoutedPage path={path} /></FaultBoundary>
    </PageLayout>
  );
}

function RoutedPage({ path }: { path: string }) {
  const found = routeOf(path);
  const [, setLoaded] = useState(0);
  const route = found?.route ?? null;
  const Page = route ? loaded.get(route) : undefined;
  const [isAway, setAway] = useState(false);
  useEffect(() => {
    if (!route || loaded.has(route)) return;
    load(route).then(() => setLoaded((count) => count + 1), () => setAway(true));
  }, [route]);
  useHeadingFocus(path, Page !== undefined);
  if (!found) return <MissingPage />;
  if (isAway && !Page) return <ErrorState error={new UnreachableError(path)} retry={() => location.reload()} />;
  return Page ? <Page parts={found.parts} /> : <LoadingState />;
}

async function load(route: PageRoute): Promise<void> {
  if (!loaded.has(route)) loaded.set(route, (await route.load()).default);
}

/** Loads all pages once the first one is shown: when the gateway is away, what is known has still to be looked at. */
export async function loadOthers(): Promise<void> {
  for (const route of ROUTES) await load(route).catch(() => undefined);
}

let shownPath: string | null = null;

/** After a change of pages, and not at the first one, the focus goes to the new heading: that is what a reader of the screen hears next. */
function useHeadingFocus(path: string, isShown: boolean): void {
  const done = useRef(false);
  useEffect(() => {
    if (!isShown || done.current) return;
    done.current = true;
    if (shownPath !== null && shownPath !== path && document.activeElement?.closest('dialog') == null) {
      document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
    }
    shownPath = path;
  }, [isShown]);
}

function MissingPage() {
  return (
    <PageFrame title={shell('state.404')}>
      <StateBox kind="404" title={shell('state.404')}><p><a href="/">{shell('state.home')}</a></p></StateBox>
    </PageFrame>
  );
}

/** A page that fails to be drawn leaves the frame usable. */
class FaultBoundary extends Component<{ children: ComponentChildren }, { fault: unknown }> {
  override state = { fault: null as unknown };

  override componentDidCatch(fault: unknown): void {
    console.error(fault);
    this.setState({ fault: fault ?? 'unknown' });
  }

  render() {
    if (this.state.fault === null) return this.props.children;
    return <StateBox kind="broken" title={shell('state.broken')} alert><p>{shell('state.broken.do')}</p></StateBox>;
  }
}

/** Which page stands at which path. Each is loaded when it is first shown. */
import type { ComponentType } from 'preact';
import { matchPath, type PathParts } from '../router';

/** A page, drawn with what its pattern found in the path. */
export type PageComponent = ComponentType<{ parts: PathParts }>;

/** A pattern of paths, and the page for it. */
export interface PageRoute {
  pattern: string;
  load: () => Promise<{ default: PageComponent }>;
}

/** All pages; the first that matches is shown. */
export const ROUTES: readonly PageRoute[] = [
  { pattern: '/', load: () => import('./fleet/fleet') },
  { pattern: '/clusters/:cluster', load: () => import('./cluster/cluster') },
  { pattern: '/services', load: () => import('./services/services') },
  { pattern: '/services/:ns/:group/:name', load: () => import('./service/service') },
  { pattern: '/configs', load: () => import('./configs/configs') },
  { pattern: '/configs/:ns/:group/:dataId', load: () => import('./config/config') },
  { pattern: '/drains', load: () => import('./drains/drains') },
  { pattern: '/drains/new', load: () => import('./drains/new/wizard') },
  { pattern: '/what-if', load: () => import('./what-if/what-if') },
  { pattern: '/guard', load: () => import('./guard/guard') },
  { pattern: '/timeline', load: () => import('./timeline/timeline') },
  { pattern: '/policy', load: () => import('./policy/policy') },
  { pattern: '/about', load: () => import('./about/about') },
  { pattern: '/sign-in', load: () => import('./sign-in/sign-in') },
];

/** The page at `path`, and what its pattern found there; null if there is none. */
export function routeOf(path: string): { route: PageRoute; parts: PathParts } | null {
  for (const route of ROUTES) {
    const parts = matchPath(route.pattern, path);
    if (parts) return { route, parts };
  }
  return null;
}

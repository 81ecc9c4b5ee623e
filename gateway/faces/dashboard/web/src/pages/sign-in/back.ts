/** Where somebody who signed in goes on: a path of this page, and never another host, whatever the address says. */
export function wayBack(query: URLSearchParams): string {
  const back = query.get('back') ?? '/';
  const isPath = /^\/(?![/\\])/.test(back) && !/[\u0000-\u001f]/.test(back);
  return isPath && !back.startsWith('/sign-in') ? back : '/';
}

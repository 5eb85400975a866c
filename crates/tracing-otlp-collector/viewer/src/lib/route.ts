// What is on screen, held in the address: a link restores it.
//
// #/logs?q=level>=warn&from=-15m&record=123 · #/traces · #/trace/ID?span=… · #/metrics · #/rejected
import { signal } from '@preact/signals';

export type View = 'logs' | 'traces' | 'trace' | 'metrics' | 'rejected';

export type Route = {
  view: View;
  /** The trace on screen (view `trace`). */
  trace: string;
  /** The filter, in the collector's language. */
  q: string;
  /** Relative (`-15m`), RFC 3339 or Unix nanoseconds; empty: everything kept. */
  from: string;
  to: string;
  /** The record that is open, `SEQ` or `SEQ@NANOS`: a sequence number is only good for one run. */
  record: string;
  /** The span that is open (view `trace`), or the rejected request. */
  item: string;
};

const views = new Set(['logs', 'traces', 'trace', 'metrics', 'rejected']);
const parameters = ['q', 'from', 'to', 'record', 'item'] as const;

export const route = signal<Route>(parse(location.hash));

/** Where each view was left: the tabs go back there. */
const left = new Map<View, string>();

export function parse(hash: string): Route {
  const [path = '', query = ''] = split(hash.replace(/^#\/?/, ''));
  const [view = '', trace = ''] = path.split('/');
  const values = new URLSearchParams(query);
  const route: Route = {
    view: views.has(view) ? (view as View) : 'logs',
    trace: view === 'trace' ? trace.toLowerCase() : '',
    q: '', from: '', to: '', record: '', item: '',
  };
  for (const name of parameters) route[name] = values.get(name) ?? '';
  return route;
}

export function format(route: Route): string {
  const query = parameters.filter((name) => route[name] !== '').map((name) => `${name}=${encode(route[name])}`);
  const path = route.view === 'trace' ? `trace/${route.trace}` : route.view;
  return `#/${path}${query.length ? `?${query.join('&')}` : ''}`;
}

/** The address of the current view with some of it changed. */
export function href(change: Partial<Route>): string {
  return format({ ...route.value, ...change });
}

/** The address of another view, without what belongs to the current one. */
export function link(change: Partial<Route>): string {
  return format({ view: 'logs', trace: '', q: '', from: '', to: '', record: '', item: '', ...change });
}

export function tab(view: View): string {
  return left.get(view) ?? link({ view });
}

/** Changes the address; `replace` where going back through every step would be tiresome. */
export function go(change: Partial<Route>, how: 'push' | 'replace' = 'push') {
  visit(href(change), how);
}

export function visit(hash: string, how: 'push' | 'replace' = 'push') {
  if (hash !== location.hash) history[how === 'push' ? 'pushState' : 'replaceState'](null, '', hash);
  settle();
}

function settle() {
  const now = parse(location.hash);
  left.set(now.view, format(now));
  if (format(now) !== format(route.peek())) route.value = now;
}

addEventListener('popstate', settle);
addEventListener('hashchange', settle);

function split(text: string): [string, string] {
  const at = text.indexOf('?');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

// Legible where the address allows it.
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%(3A|3E|3C|2F|40|3D|28|29|2C)/gi, (code) =>
    code.toUpperCase() === '%3D' ? '%3D' : decodeURIComponent(code));
}

// Keyboard control: each view says what its keys do; what goes everywhere is here.
import { signal } from '@preact/signals';
import { tab, visit, type View } from './route';

export type Keys = Record<string, () => void>;

export const helping = signal(false);

let keys: Keys = {};
let went = 0;

/** What the keys do in the view that is on screen. */
export function setKeys(next: Keys) {
  keys = next;
}

const places: Record<string, View> = { l: 'logs', t: 'traces', m: 'metrics', r: 'rejected' };

export function listen() {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target as HTMLElement;
    const writing = target.closest('input, textarea, select, [contenteditable]');
    if (writing || target.closest('dialog[open]')) return;
    // A button, a link or an open panel keeps the keys that it needs itself.
    if (target.closest('button, a, summary') && (event.key === 'Enter' || event.key === ' ')) return;
    if (target.closest('.panel .content') && /^(Arrow|Page|Home|End)/.test(event.key)) return;

    const after = Date.now() - went < 1200;
    went = 0;
    const place = after && places[event.key];
    const call = place ? () => visit(tab(place)) : everywhere[event.key] ?? keys[event.key];
    if (!call) return;
    event.preventDefault();
    call();
  });
}

const everywhere: Keys = {
  '/': () => {
    const filter = document.querySelector<HTMLInputElement>('#filter');
    filter?.focus();
    filter?.select();
  },
  '?': () => (helping.value = true),
  g: () => (went = Date.now()),
};

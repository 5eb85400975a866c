// Small things of the page itself: theme, clipboard, a line that tells what happened.
import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

export const theme = signal<Theme>(stored());

export function setTheme(next: Theme) {
  theme.value = next;
  applyTheme();
  try {
    localStorage.setItem('theme', next);
  } catch {
    // Then it lasts as long as the page.
  }
}

export function applyTheme() {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

function stored(): Theme {
  try {
    const name = localStorage.getItem('theme');
    return name === 'light' || name === 'dark' ? name : 'auto';
  } catch {
    return 'auto';
  }
}

/** What just happened, read out to those who do not see it. */
export const notice = signal('');
let clearing = 0;

export function say(text: string) {
  notice.value = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => (notice.value = ''), 2500);
}

export async function copy(text: string, what: string) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS a page may have no clipboard except on loopback.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) return say('the browser refused the clipboard');
  }
  say(`copied ${what}`);
}

/** A colour for a name: the same name has the same colour everywhere. */
export function hue(name: string): number {
  let hash = 2166136261;
  for (let n = 0; n < name.length; n += 1) hash = Math.imul(hash ^ name.charCodeAt(n), 16777619);
  return (hash >>> 8) % 12;
}

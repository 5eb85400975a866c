// Where everything is sent on to, and how that is doing; nothing where nothing is forwarded.
import { useRef } from 'preact/hooks';
import { status } from '../lib/api';
import { count } from '../lib/time';
import type { Forwarded } from '../lib/types';
import { oneLine } from '../lib/visible';
import { Icon } from '../ui/icons';

const signals = [
  ['logs', 'records'],
  ['spans', 'spans'],
  ['dataPoints', 'data points'],
] as const;

export function ForwardBadge() {
  const menu = useRef<HTMLDetailsElement>(null);
  const forward = status.value?.forward;
  if (!forward) return null;
  const sum = (part: (one: Forwarded) => number) => signals.reduce((all, [name]) => all + part(forward[name]), 0);
  const lost = sum((one) => one.lost);
  const waiting = sum((one) => one.pending + one.spooled);
  const close = () => { menu.current!.open = false; };
  return (
    <details
      class="menu audit forward"
      ref={menu}
      onKeyDown={(event) => { if (event.key === 'Escape' && menu.current!.open) { event.stopPropagation(); close(); menu.current!.querySelector('summary')!.focus(); } }}
      onFocusOut={(event) => { if (event.relatedTarget && !menu.current!.contains(event.relatedTarget as Node)) close(); }}
    >
      <summary class={`button ${lost ? 'bad' : 'good'}`} aria-label={`Forwarding: ${waiting} waiting, ${lost} lost`}>
        <Icon name={lost ? 'orphan' : 'right'} />
        {lost ? <b>{count(lost)} not forwarded</b> : 'forwarding'}
        {waiting > 0 && <span class="dim">{count(waiting)} waiting</span>}
      </summary>
      <div class="popover">
        <h2>Forwarding</h2>
        <p class="dim">Everything goes on to <code>{oneLine(forward.url, 200)}</code></p>
        <ul class="tallies">
          {signals.map(([name, title]) => {
            const one = forward[name];
            return (
              <li key={name}>
                <span><b>{count(one.delivered)}</b> of {count(one.received)} {title} delivered</span>
                <span class="dim">{[
                  one.pending && `${count(one.pending)} wait in memory`,
                  one.spooled && `${count(one.spooled)} wait on disk`,
                  ...Object.entries(one.lostBy).map(([reason, n]) => n && `${count(n)} lost: ${oneLine(reason, 60)}`),
                ].filter(Boolean).join(', ')}</span>
              </li>
            );
          })}
        </ul>
      </div>
    </details>
  );
}

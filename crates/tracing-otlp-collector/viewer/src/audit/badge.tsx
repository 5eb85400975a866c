// How many records are tied to their spans, in the header and in full on a click.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { every, get, run } from '../lib/api';
import { inline } from '../lib/otlp';
import { link } from '../lib/route';
import { count } from '../lib/time';
import type { AnyValue, Audit } from '../lib/types';
import { oneLine } from '../lib/visible';
import { Icon } from '../ui/icons';

const audit = signal<Audit | null>(null);

const parts = [
  ['linked', 'Their span is here'],
  ['unlinked', 'Logged outside any span'],
  ['pending', 'Their span has not ended yet'],
  ['orphaned', 'Their span never arrived'],
] as const;

export function AuditBadge() {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => every(4000, async () => { audit.value = await get<Audit>('/api/audit'); }), [run.value]);
  const now = audit.value;
  if (!now) return null;
  const close = () => { menu.current!.open = false; };
  return (
    <details
      class="menu audit"
      ref={menu}
      onKeyDown={(event) => { if (event.key === 'Escape' && menu.current!.open) { event.stopPropagation(); close(); menu.current!.querySelector('summary')!.focus(); } }}
      onFocusOut={(event) => { if (event.relatedTarget && !menu.current!.contains(event.relatedTarget as Node)) close(); }}
    >
      <summary class={`button ${now.orphaned ? 'bad' : 'good'}`} id="audit" aria-label={`Audit: ${parts.map(([name]) => `${now[name]} ${name}`).join(', ')}`}>
        <Icon name={now.orphaned ? 'orphan' : 'check'} />
        {now.orphaned ? <b>{count(now.orphaned)} orphaned</b> : now.records ? 'no orphans' : 'no records'}
        {now.records > 0 && <span class="dim">{count(now.linked)} linked</span>}
        {now.pending > 0 && <span class="dim">{count(now.pending)} pending</span>}
      </summary>
      <div class="popover">
        <h2>Audit</h2>
        <p class="dim">Of {count(now.records)} records kept{now.evicted ? <>; {count(now.evicted)} more have made room</> : null}:</p>
        <div class="proportions" aria-hidden="true">
          {parts.map(([name]) => now[name] > 0 && <span key={name} class={name} style={{ flexGrow: String(Math.max(now[name], now.records * 0.01)) }} />)}
        </div>
        <ul class="tallies">
          {parts.map(([name, meaning]) => (
            <li key={name}>
              <a href={link({ view: 'logs', q: `link=${name}` })} onClick={close}><span class={`swatch ${name}`} /><b>{count(now[name])}</b> {name}</a>
              <span class="dim">{meaning}</span>
            </li>
          ))}
        </ul>
        {now.orphans.length > 0 && (
          <>
            <h3>Orphans</h3>
            <ul class="orphans">
              {now.orphans.slice(0, 20).map((orphan) => (
                <li key={orphan.seq}>
                  <a href={link({ view: 'logs', q: 'link=orphaned', record: String(orphan.seq) })} onClick={close}>{text(orphan.body) || `record ${orphan.seq}`}</a>
                  <span class="dim">{oneLine(orphan.reason, 160)}</span>
                </li>
              ))}
            </ul>
            {now.orphaned > 20 && <p class="dim"><a href={link({ view: 'logs', q: 'link=orphaned' })} onClick={close}>all {count(now.orphaned)}</a></p>}
          </>
        )}
      </div>
    </details>
  );
}

function text(body: unknown): string {
  if (typeof body === 'string') return oneLine(body, 120);
  return body ? oneLine(inline(body as AnyValue, 120), 120) : '';
}

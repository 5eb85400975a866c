// The frame: header, the view of the address, and what is to be said about the connection.
import { useEffect } from 'preact/hooks';
import { AuditBadge } from './audit/badge';
import { ForwardBadge } from './forward/badge';
import { every, reachable, refreshStatus, status } from './lib/api';
import { helping } from './lib/keys';
import { notice, setTheme, theme, type Theme } from './lib/page';
import { route, tab, type View } from './lib/route';
import { bytes, count } from './lib/time';
import { logs, LogView } from './logs/view';
import { MetricsView } from './metrics/view';
import { RejectedView } from './rejected/view';
import { TraceList } from './traces/list';
import { TraceView } from './traces/view';
import { Help } from './ui/help';
import { Icon } from './ui/icons';

const tabs: [View, string][] = [['logs', 'Logs'], ['traces', 'Traces'], ['metrics', 'Metrics'], ['rejected', 'Rejected']];
const titles: Record<View, string> = { logs: 'Logs', traces: 'Traces', trace: 'Trace', metrics: 'Metrics', rejected: 'Rejected' };
const themes: Theme[] = ['auto', 'light', 'dark'];
const themeIcons = { auto: 'auto', light: 'sun', dark: 'moon' } as const;

export function App() {
  const { view } = route.value;
  useEffect(() => every(5000, refreshStatus), []);
  useEffect(() => { document.title = `${titles[view]} · tracing-otlp`; }, [view]);
  const kept = status.value?.kept;
  const next = themes[(themes.indexOf(theme.value) + 1) % themes.length]!;
  return (
    <>
      <header class="top">
        <a class="brand" href="#/logs"><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><rect class="one" x="1" y="2" width="14" height="3" rx="1.5" /><rect class="two" x="4" y="6.5" width="8" height="3" rx="1.5" /><rect class="three" x="7" y="11" width="8" height="3" rx="1.5" /></svg>tracing-otlp</a>
        <nav aria-label="Views">
          {tabs.map(([name, label]) => {
            const here = view === name || (name === 'traces' && view === 'trace');
            return <a key={name} href={here && view !== 'trace' ? `#/${name}` : tab(name)} aria-current={here ? 'page' : undefined}>{label}</a>;
          })}
        </nav>
        <span class="spring" />
        {kept && (
          <span class="kept" title={`Version ${status.value!.version}, since ${new Date(status.value!.startedAt).toLocaleString()}`}>
            {count(kept.logs ?? 0)} logs · {count(kept.spans ?? 0)} spans · {bytes(kept.bytes ?? 0)}{kept.capacityBytes ? <span class="dim"> of {bytes(kept.capacityBytes)}</span> : null}
          </span>
        )}
        <ForwardBadge />
        <AuditBadge />
        <button class="plain" title={`Colours: ${theme.value}; switch to ${next}`} aria-label={`Colours: ${theme.value}; switch to ${next}`} onClick={() => setTheme(next)}><Icon name={themeIcons[theme.value]} /></button>
        <button class="plain" title="Keys and filters (?)" aria-label="Keys and filters" onClick={() => (helping.value = true)}><span class="question">?</span></button>
      </header>
      {!reachable.value && (
        <div class="lost" role="alert">
          Connection to the collector lost. What is shown may be old; it is tried again by itself.
          <button class="button" onClick={() => { logs.retry(); void refreshStatus(); }}>Try now</button>
        </div>
      )}
      <main>
        {view === 'logs' && <LogView />}
        {view === 'traces' && <TraceList />}
        {view === 'trace' && <TraceView />}
        {view === 'metrics' && <MetricsView />}
        {view === 'rejected' && <RejectedView />}
      </main>
      <div class="notice" role="status" data-on={notice.value !== ''}>{notice.value}</div>
      <Help />
    </>
  );
}

// The traces that the collector holds, latest activity first.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, every, get, run, status } from '../lib/api';
import { setKeys } from '../lib/keys';
import { hue } from '../lib/page';
import { go, link, route, visit } from '../lib/route';
import { clock, count, duration, isToday } from '../lib/time';
import type { TraceItem, TracesPage } from '../lib/types';
import { oneLine } from '../lib/visible';
import { Empty, Start } from '../ui/empty';
import { FilterBox } from '../ui/filterbox';
import { Icon } from '../ui/icons';
import { RangePicker } from '../ui/range';
import { VirtualList, type Handle } from '../ui/virtual';

export function TraceList() {
  const { q, from, to } = route.value;
  const [items, setItems] = useState<TraceItem[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [loading, setLoading] = useState(true);
  const [cursor, setCursor] = useState<string>('');
  const [paused, setPaused] = useState(false);
  const list = useRef<Handle | null>(null);
  const version = useRef(0);
  const known = useRef<TraceItem[]>([]);

  const put = (fresh: TraceItem[]) => {
    const ids = new Set(fresh.map((item) => item.traceId));
    const merged = [...fresh, ...known.current.filter((item) => !ids.has(item.traceId))].sort((a, b) => b.seq - a.seq);
    known.current = merged;
    version.current += 1;
    setItems(merged);
  };

  useEffect(() => {
    const abort = new AbortController();
    let first = true;
    setLoading(true);
    const load = async () => {
      // What is being read further down stays where it is.
      if (!first && (list.current?.visible()[0] ?? 0) > 0) return;
      try {
        const page = await get<TracesPage>('/api/traces', { q, from, to, limit: 100 }, abort.signal);
        if (first) {
          known.current = [];
          setNext(page.next);
        }
        first = false;
        setError(null);
        put(page.items);
      } catch (error) {
        if (!abort.signal.aborted) setError(error as Error);
      }
      if (!abort.signal.aborted) setLoading(false);
    };
    if (paused && known.current.length) return setLoading(false);
    const stop = every(2500, load);
    return () => { stop(); abort.abort(); };
  }, [q, from, to, run.value, paused]);

  const more = async () => {
    if (!next) return;
    const page = await get<TracesPage>('/api/traces', { q, from, to, limit: 200, cursor: next });
    setNext(page.next);
    put(page.items);
  };

  const at = items.findIndex((item) => item.traceId === cursor);
  const select = (index: number) => {
    const item = items[Math.max(0, Math.min(items.length - 1, index))];
    if (!item) return;
    setCursor(item.traceId);
    list.current?.toIndex(items.indexOf(item));
  };
  const open = (item: TraceItem) => visit(link({ view: 'trace', trace: item.traceId }));
  setKeys({
    j: () => select(at + 1),
    k: () => select(at < 0 ? 0 : at - 1),
    ArrowDown: () => select(at + 1),
    ArrowUp: () => select(at < 0 ? 0 : at - 1),
    Home: () => select(0),
    End: () => select(items.length - 1),
    G: () => select(items.length - 1),
    p: () => setPaused(!paused),
    Enter: () => { if (items[at]) open(items[at]); },
    Escape: () => setCursor(''),
  });

  const longest = items.reduce((most, item) => Math.max(most, Number(item.durationNano)), 1);
  return (
    <div class="view traces">
      <div class="bar">
        <FilterBox value={q} error={error} busy={loading} placeholder='name:checkout, service=shop, status=error, duration>100ms' onChange={(q, how) => go({ q }, how === 'typed' ? 'replace' : 'push')} />
        <RangePicker />
        <button class={`button pause ${paused ? 'on' : ''}`} aria-pressed={paused} onClick={() => setPaused(!paused)}>
          <Icon name={paused ? 'play' : 'pause'} />{paused ? 'Resume' : 'Pause'}
        </button>
      </div>
      <div class="main">
        <div class="trace-row head" aria-hidden="true">
          <span class="name">trace</span><span class="service">services</span><span class="time">started</span><span class="length">duration</span><span class="number">spans</span><span class="number">logs</span><span class="marks" />
        </div>
        <VirtualList<TraceItem>
          rows={items}
          height={32}
          version={version.current}
          handle={list}
          label="Traces"
          active={cursor ? `trace-${cursor}` : ''}
          class="traces-list"
          render={(item, index) => (
            <TraceRow key={item.traceId} item={item} index={index} longest={longest} selected={item.traceId === cursor} onOpen={open} />
          )}
        />
        {items.length === 0 && !loading && !(error instanceof ApiError) && (
          (status.value?.kept?.spans ?? 0) === 0 && !q ? <Start what="traces" /> : (
            <Empty title="No trace matches">
              <p>{count(status.value?.kept?.spans ?? 0)} spans are kept.</p>
              <p class="buttons">
                {q && <button class="button" onClick={() => go({ q: '' })}>Clear the filter</button>}
                {(from || to) && <button class="button" onClick={() => go({ from: '', to: '' })}>Everything kept</button>}
              </p>
            </Empty>
          )
        )}
        <footer class="list-foot">
          <span>{count(items.length)} shown</span>
          {next && <button class="plain link" onClick={() => void more().catch(() => {})}>load more</button>}
          <span class="spring" />
          <span class={`live ${paused ? 'paused' : error && !(error instanceof ApiError) ? 'lost' : 'live'}`}>{paused ? 'paused' : error && !(error instanceof ApiError) ? 'not connected' : 'live at the top'}</span>
        </footer>
      </div>
    </div>
  );
}

function TraceRow({ item, index, longest, selected, onOpen }: { item: TraceItem; index: number; longest: number; selected: boolean; onOpen: (item: TraceItem) => void }) {
  const length = Number(item.durationNano);
  const to = link({ view: 'trace', trace: item.traceId });
  return (
    <div id={`trace-${item.traceId}`} role="row" aria-rowindex={index + 1} aria-selected={selected} class={`row trace-row ${item.errors ? 'error' : ''}`} data-trace={item.traceId} onClick={() => onOpen(item)}>
      <span role="gridcell" class="name">
        <a href={to} tabIndex={-1} onClick={(event) => event.stopPropagation()}>{item.rootName ? oneLine(item.rootName, 120) : <i>{item.rootMissing ? 'root span missing' : 'records only'}</i>}</a>
        <span class="mono dim">{item.traceId.slice(0, 8)}</span>
      </span>
      <span role="gridcell" class="service">{item.services.slice(0, 4).map((name) => <span key={name} class="tag" data-hue={hue(name)}>{oneLine(name, 40)}</span>)}{item.services.length > 4 && <span class="dim">+{item.services.length - 4}</span>}</span>
      <span role="gridcell" class="time mono">{clock(item.startUnixNano, isToday(item.startUnixNano))}</span>
      <span role="gridcell" class="length"><span class="gauge"><span class="fill" style={{ width: `${Math.max(1, (length / longest) * 100)}%` }} /></span><span class="mono">{duration(length)}</span></span>
      <span role="gridcell" class="number mono">{count(item.spans)}</span>
      <span role="gridcell" class="number mono">{count(item.logs)}</span>
      <span role="gridcell" class="marks">
        {item.errors > 0 && <span class="chip error">{count(item.errors)} error{item.errors === 1 ? '' : 's'}</span>}
        {item.pending > 0 && <span class="chip pending"><Icon name="pending" />{count(item.pending)} open</span>}
        {item.orphanedLogs > 0 && <span class="chip orphaned"><Icon name="orphan" />{count(item.orphanedLogs)} orphaned</span>}
        {item.rootMissing && <span class="chip orphaned">no root</span>}
      </span>
    </div>
  );
}

// One trace: the waterfall of its spans with the records inside them.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, every, get, run } from '../lib/api';
import { setKeys } from '../lib/keys';
import { copy, hue } from '../lib/page';
import { go, link, route, tab, visit } from '../lib/route';
import { clock, count, day, duration, isToday, millis } from '../lib/time';
import type { Trace } from '../lib/types';
import { oneLine } from '../lib/visible';
import { RecordPanel } from '../logs/record';
import { Empty } from '../ui/empty';
import { Icon } from '../ui/icons';
import { VirtualList, type Handle } from '../ui/virtual';
import { SpanPanel } from './span';
import { grow, lines, type Line, type Node } from './tree';
import { LogRow, Scale, SpanRow } from './waterfall';

export function TraceView() {
  const { trace: id, item, record } = route.value;
  const [trace, setTrace] = useState<Trace | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [withLogs, setWithLogs] = useState(true);
  const [cursor, setCursor] = useState('');
  const list = useRef<Handle | null>(null);
  const placed = useRef('');

  useEffect(() => {
    const abort = new AbortController();
    let last: Trace | null = null;
    setTrace(null);
    setError(null);
    setFolded(new Set());
    const stop = every(3000, async () => {
      // A trace is complete when nothing in it waits and it has been quiet for a while.
      if (last && settled(last)) return;
      try {
        last = await get<Trace>(`/api/traces/${id}`, {}, abort.signal);
        setTrace(last);
        setError(null);
      } catch (error) {
        if (!abort.signal.aborted) setError(error as Error);
      }
    });
    return () => { stop(); abort.abort(); };
  }, [id, run.value]);

  const tree = useMemo(() => (trace ? grow(trace) : null), [trace]);
  const rows = useMemo(() => (tree ? lines(tree, folded, withLogs) : []), [tree, folded, withLogs]);
  const seq = record.split('@')[0];
  const openLog = trace?.logs.find((log) => String(log.seq) === seq);
  const openNode = !openLog && item ? tree?.nodes.get(item) : undefined;

  // What the link names comes into view once.
  useEffect(() => {
    const wanted = `${id} ${seq} ${item}`;
    if (!rows.length || placed.current === wanted) return;
    const index = rows.findIndex((line) => (seq ? line.kind === 'log' && String(line.item.seq) === seq : item !== '' && line.kind === 'span' && line.node.id === item));
    if (index >= 0) {
      placed.current = wanted;
      setCursor(rows[index]!.key);
      list.current?.toIndex(index);
    }
  }, [rows, seq, item]);

  const open = (line: Line, how: 'push' | 'replace' = 'push') => {
    setCursor(line.key);
    const change = line.kind === 'log' ? { record: String(line.item.seq), item: '' } : { item: line.node.id, record: '' };
    placed.current = `${id} ${change.record} ${change.item}`;
    go(change, how);
  };
  const at = rows.findIndex((line) => line.key === cursor);
  const select = (index: number) => {
    const line = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!line) return;
    setCursor(line.key);
    list.current?.toIndex(rows.indexOf(line));
    if (openLog || openNode) open(line, 'replace');
  };
  const fold = (key: string, away: boolean) => {
    const next = new Set(folded);
    if (away) next.add(key);
    else next.delete(key);
    setFolded(next);
  };
  const trouble = (by: number) => {
    for (let n = at + by; n >= 0 && n < rows.length; n += by) {
      const line = rows[n]!;
      if (line.kind === 'span' ? line.node.errors : (line.item.record.severityNumber ?? 0) >= 17) return select(n);
    }
  };
  const close = () => go({ item: '', record: '' });
  const current = rows[at];
  setKeys({
    j: () => select(at + 1),
    k: () => select(at < 0 ? 0 : at - 1),
    ArrowDown: () => select(at + 1),
    ArrowUp: () => select(at < 0 ? 0 : at - 1),
    ArrowLeft: () => {
      if (current?.kind === 'span' && current.open) fold(current.key, true);
      else if (current) for (let n = at; n >= 0; n -= 1) if (rows[n]!.depth < current.depth) return select(n);
    },
    ArrowRight: () => { if (current?.kind === 'span' && current.nests) fold(current.key, false); },
    Home: () => select(0),
    End: () => select(rows.length - 1),
    G: () => select(rows.length - 1),
    e: () => trouble(1),
    E: () => trouble(-1),
    s: () => setWithLogs(!withLogs),
    Enter: () => { if (current) open(current); },
    Escape: () => { if (item || record) close(); else visit(tab('traces')); },
  });

  if (error instanceof ApiError && !trace) {
    return (
      <div class="view trace">
        <Empty title={error.status === 404 ? 'This trace is not kept' : 'The trace could not be read'}>
          <p class="mono">{id}</p>
          <p>{error.status === 404 ? 'It made room for newer ones, was never sent here, or the collector was started anew.' : error.message}</p>
          <p class="buttons"><a class="button" href={tab('traces')}>All traces</a></p>
        </Empty>
      </div>
    );
  }
  if (!trace || !tree) return <div class="view trace"><Empty title="Loading…" /></div>;

  const services = [...new Set([...trace.spans, ...trace.logs].map((part) => part.service ?? ''))].filter(Boolean);
  const errors = trace.spans.filter((span) => span.span.status?.code === 2).length;
  const pending = trace.spans.filter((span) => span.state === 'pending').length;
  const orphaned = trace.logs.filter((log) => log.link === 'orphaned').length;
  const root = tree.roots.find((node) => node.item && !node.item.span.parentSpanId) ?? tree.roots[0];
  const origin = String(tree.origin);
  return (
    <div class="view trace">
      <div class="trace-head">
        <a class="plain back" href={tab('traces')} title="All traces (Escape)">Traces</a>
        <h1>{root?.item ? oneLine(root.item.span.name, 160) : root ? 'Root span missing' : 'Records without a span'}</h1>
        <button class="plain mono" title="Copy the trace id" onClick={() => copy(id, 'the trace id')}>{id}<Icon name="copy" /></button>
        <span class="spring" />
        <a class="button" href={link({ view: 'logs', q: `trace=${id}` })}>In the log list</a>
        <button class="button" aria-pressed={withLogs} title="Show or hide the records (s)" onClick={() => setWithLogs(!withLogs)}>Records {withLogs ? 'shown' : 'hidden'}</button>
      </div>
      <div class="facts">
        <span><b>{duration(tree.length)}</b></span>
        <span>{isToday(origin) ? '' : `${day(new Date(millis(origin)))} `}{clock(origin)}</span>
        <span><b>{count(trace.spans.length)}</b> spans</span>
        <span><b>{count(trace.logs.length)}</b> records</span>
        {services.map((name) => <span key={name} class="tag" data-hue={hue(name)}>{oneLine(name, 40)}</span>)}
        {errors > 0 && <span class="chip error">{count(errors)} failed</span>}
        {pending > 0 && <span class="chip pending"><Icon name="pending" />{count(pending)} still open</span>}
        {orphaned > 0 && <span class="chip orphaned"><Icon name="orphan" />{count(orphaned)} orphaned record{orphaned === 1 ? '' : 's'}</span>}
        {trace.missingSpans.length > 0 && <span class="chip orphaned">{count(trace.missingSpans.length)} span{trace.missingSpans.length === 1 ? '' : 's'} missing</span>}
        {trace.evicted && <span class="chip orphaned" title="Older parts of this trace made room for newer ones">partly evicted</span>}
        {error && <span class="chip error">not connected</span>}
      </div>
      <div class="split">
        <div class="main waterfall">
          <Scale length={tree.length} />
          <VirtualList<Line>
            rows={rows}
            height={24}
            version={0}
            indexOf={(line) => rows.findIndex((other) => other.key === line.key)}
            handle={list}
            role="treegrid"
            label="Spans and records of the trace"
            active={cursor}
            render={(line, index) => line.kind === 'span'
              ? <SpanRow key={line.key} line={line} index={index} length={tree.length} selected={line.key === cursor} onOpen={open} onFold={fold} marks={!withLogs || !line.open} origin={tree.origin} />
              : <LogRow key={line.key} line={line} index={index} length={tree.length} selected={line.key === cursor} onOpen={open} />}
          />
        </div>
        {openLog && <RecordPanel item={openLog} onClose={close} />}
        {openNode && <SpanPanel node={openNode as Node} origin={tree.origin} onClose={close} onLog={(log) => go({ record: String(log.seq), item: '' })} />}
      </div>
    </div>
  );
}

const QUIET = 120_000;

function settled(trace: Trace): boolean {
  const waits = trace.spans.some((span) => span.state === 'pending') || trace.logs.some((log) => log.link === 'pending');
  const latest = [...trace.spans, ...trace.logs].reduce((latest, part) => Math.max(latest, Date.parse(part.receivedAt) || 0), 0);
  return !waits && Date.now() - latest > QUIET;
}

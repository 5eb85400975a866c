// The log view: search bar, histogram, list, and the record that is open.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, get, run, status } from '../lib/api';
import { timeOf } from '../lib/otlp';
import { setKeys } from '../lib/keys';
import { go, link, route, visit } from '../lib/route';
import { count } from '../lib/time';
import type { LogItem, LogsPage } from '../lib/types';
import { Empty, Start } from '../ui/empty';
import { FilterBox } from '../ui/filterbox';
import { Histogram, type Totals } from '../ui/histogram';
import { Icon } from '../ui/icons';
import { Levels } from '../ui/levels';
import { RangePicker } from '../ui/range';
import { VirtualList, type Handle } from '../ui/virtual';
import { RecordPanel } from './record';
import { GapLine, LogLine } from './row';
import { CAP, type LogRow, type Row } from './rows';
import { HELD, LogStore } from './store';

/** One for the page. */
export const logs = new LogStore();

export function LogView() {
  const { q, from, to, record } = route.value;
  const version = logs.version.value;
  const rows = logs.rows.list;
  const list = useRef<Handle | null>(null);
  const [follow, setFollow] = useState(!record);
  const [seen, setSeen] = useState(0);
  const [cursor, setCursor] = useState<Row | null>(null);
  const [totals, setTotals] = useState<Totals>({});
  const fetched = useRecord(record);
  const open = useMemo(() => openRow(record), [record, version]);
  const item = open?.item ?? fetched.item;
  const paused = logs.paused.value;
  const restarts = run.value;

  useEffect(() => {
    setFollow(!route.peek().record);
    void logs.load({ q, from, to });
  }, [q, from, to, restarts]);
  useEffect(() => () => logs.stop(), []);

  // A record of a link is shown in its place once it is there.
  useEffect(() => {
    if (open && !cursor) {
      setCursor(open);
      list.current?.toIndex(logs.rows.indexOf(open));
    }
  }, [open]);

  useEffect(() => { if (follow) setSeen(rows.length); }, [follow, version]);

  // Records come before their spans end: what is in view is asked about again.
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden || paused || !list.current) return;
      const [first, last] = list.current.visible();
      const pending = logs.rows.list.slice(first, last).filter((row): row is LogRow => row.kind === 'log' && row.item.link === 'pending');
      void logs.refreshLinks(pending.map((row) => row.item)).catch(() => {});
    }, 2500);
    return () => clearInterval(timer);
  }, [paused]);

  const show = (row: LogRow, how: 'push' | 'replace' = 'push') => {
    setCursor(row);
    setFollow(false);
    go({ record: `${row.seq}@${timeOf(row.item)}` }, how);
  };
  const close = () => go({ record: '' });
  const select = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!row) return;
    setCursor(row);
    setFollow(false);
    list.current?.toIndex(rows.indexOf(row));
    if (record && row.kind === 'log') show(row, 'replace');
  };
  const at = () => (cursor ? logs.rows.indexOf(cursor) : -1);
  const step = (by: number) => {
    if (cursor) return select(at() + by);
    const [first, last] = list.current?.visible() ?? [0, rows.length];
    select(by > 0 ? first : last - 1);
  };
  const trouble = (by: number) => {
    for (let n = (cursor ? at() : by > 0 ? -1 : rows.length) + by; n >= 0 && n < rows.length; n += by) {
      const row = rows[n]!;
      if (row.kind === 'log' && (row.level === 'error' || row.level === 'fatal')) return select(n);
    }
  };
  const toEnd = () => { setCursor(null); setFollow(true); list.current?.toEnd(); };

  setKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => trouble(1),
    E: () => trouble(-1),
    G: toEnd,
    End: toEnd,
    Home: () => select(0),
    p: () => logs.pause(!logs.paused.peek()),
    Enter: () => { if (cursor?.kind === 'log') show(cursor); },
    t: () => {
      const chosen = item ?? (cursor?.kind === 'log' ? cursor.item : null);
      if (chosen?.record.traceId) visit(link({ view: 'trace', trace: chosen.record.traceId, item: chosen.record.spanId ?? '', record: String(chosen.seq) }));
    },
    Escape: () => { if (record) close(); else setCursor(null); },
  });

  const error = logs.error.value;
  const stands = to !== '';
  const loading = logs.loading.value;
  const fresh = follow ? 0 : Math.max(0, rows.length - seen);
  return (
    <div class="view logs">
      <div class="bar">
        <FilterBox value={q} error={error} busy={loading} onChange={(q, how) => go({ q, record: '' }, how === 'typed' ? 'replace' : 'push')} />
        <RangePicker />
        <button class={`button pause ${paused ? 'on' : ''}`} aria-pressed={paused} disabled={stands} title={stands ? 'A range with an end stands still' : 'Pause or resume (p)'} onClick={() => logs.pause(!paused)}>
          <Icon name={paused ? 'play' : 'pause'} />{paused ? 'Resume' : 'Pause'}
          {paused && <span class="held" id="held">{logs.held.value >= HELD ? `${count(HELD)}+` : count(logs.held.value)} new</span>}
        </button>
      </div>
      <div class="overview">
        <Levels q={q} totals={totals} onChange={(q) => go({ q })} />
        <Histogram q={logs.shown.value?.q ?? ''} from={from} to={to} still={paused} onTotals={setTotals} />
      </div>
      <div class="split">
        <div class="main">
          <VirtualList<Row>
            rows={rows}
            height={ROW}
            version={version}
            indexOf={(row) => logs.rows.indexOf(row)}
            handle={list}
            follow={follow}
            onFollow={setFollow}
            onTop={() => void logs.loadOlder()}
            label="Log records"
            active={cursor ? `row-${cursor.seq}` : ''}
            class={`records ${new Date().getTimezoneOffset() ? '' : 'utc'}`}
            render={(row, index) => row.kind === 'gap'
              ? <GapLine key={row.seq} row={row} index={index} />
              : <LogLine key={row.seq} row={row} index={index} selected={cursor?.seq === row.seq} open={item?.seq === row.seq} onOpen={show} />}
          />
          {rows.length === 0 && !loading && !(error instanceof ApiError) && <Nothing q={q} from={from} to={to} />}
          {fresh > 0 && <button class="button fresh" onClick={toEnd}><Icon name="end" />{count(fresh)} new below</button>}
          <footer class="list-foot">
            <span>{count(rows.length)} shown</span>
            {logs.older.value === 'loading' && <span>loading older records…</span>}
            {logs.older.value === 'more' && <button class="plain link" onClick={() => void logs.loadOlder()}>older records: scroll up</button>}
            {logs.older.value === 'full' && <span class="warning">this page holds {count(CAP)} records at most; choose a range to see older ones</span>}
            {logs.older.value === 'end' && rows.length > 0 && <span class="dim">nothing older</span>}
            {loading && <span>searching… {logs.scanned.value ? `${count(logs.scanned.value)} looked at` : ''}</span>}
            <span class="spring" />
            <span class={`live ${paused ? 'paused' : stands ? 'still' : logs.stream.value}`} role="status">
              {paused ? 'paused' : stands ? 'fixed range' : logs.stream.value === 'live' ? (follow ? 'live' : 'live, not following') : logs.stream.value === 'lost' ? 'not connected' : 'connecting'}
            </span>
          </footer>
        </div>
        {item && <RecordPanel key="record" item={item} onClose={close} />}
        {!item && record && fetched.gone && (
          <aside class="panel" aria-label="Record">
            <header><h2>Record {record.split('@')[0]}</h2><button class="plain" aria-label="Close" onClick={close}><Icon name="close" /></button></header>
            <div class="content"><p>{fetched.gone}</p></div>
          </aside>
        )}
      </div>
    </div>
  );
}

function Nothing({ q, from, to }: { q: string; from: string; to: string }) {
  if (!status.value) return null;
  const kept = status.value.kept?.logs ?? 0;
  if (!kept && !q) return <Start what="log records" />;
  return (
    <Empty title="No record matches">
      <p>{count(kept)} records are kept{q ? <>; none of them passes <code>{q}</code></> : ''}{from || to ? ' in this time range' : ''}.</p>
      <p class="buttons">
        {q && <button class="button" onClick={() => go({ q: '' })}>Clear the filter</button>}
        {(from || to) && <button class="button" onClick={() => go({ from: '', to: '' })}>Everything kept</button>}
      </p>
    </Empty>
  );
}

function openRow(record: string): LogRow | null {
  const seq = Number(record.split('@')[0]);
  if (!record) return null;
  const found = logs.rows.list.find((row) => row.kind === 'log' && row.seq === seq) as LogRow | undefined;
  const time = record.split('@')[1];
  return found && (!time || timeOf(found.item) === time) ? found : null;
}

/** The record that the address names, wherever it is; by its time when another run numbers it differently. */
function useRecord(record: string): { item: LogItem | null; gone: string } {
  const [found, setFound] = useState<{ record: string; item: LogItem | null; gone: string }>({ record: '', item: null, gone: '' });
  useEffect(() => {
    if (!record) return;
    const abort = new AbortController();
    void lookUp(record, abort.signal).then(
      (item) => setFound({ record, item, gone: item ? '' : 'This record is no longer kept: it made room for newer ones, or the collector was started anew.' }),
      (error) => { if (!abort.signal.aborted) setFound({ record, item: null, gone: `It could not be asked for: ${error.message}` }); },
    );
    return () => abort.abort();
  }, [record]);
  return found.record === record ? found : { item: null, gone: '' };
}

async function lookUp(record: string, abort: AbortSignal): Promise<LogItem | null> {
  const row = openRow(record);
  if (row) return row.item;
  const [seq, time] = record.split('@');
  const { items } = await get<LogsPage>('/api/logs', { q: `seq=${seq}`, limit: 1 }, abort);
  if (items[0] && (!time || timeOf(items[0]) === time)) return items[0];
  if (!time) return null;
  const same = await get<LogsPage>('/api/logs', { from: time, to: String(BigInt(time) + 1n), limit: 2 }, abort);
  return same.items.length === 1 && timeOf(same.items[0]!) === time ? same.items[0]! : null;
}

const ROW = 22;

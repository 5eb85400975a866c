// The records of the log view: the newest page, older pages on demand, and the live stream.
//
// The page comes first and the stream starts after its newest record, so that opening a full
// collector costs one page. Pausing holds what arrives; what the collector no longer had when we
// came to it becomes a row of its own.
import { batch, signal } from '@preact/signals';
import { ApiError, get, open, refreshStatus, Unreachable } from '../lib/api';
import { read, type Event } from '../lib/sse';
import { timeOf } from '../lib/otlp';
import type { LogItem, LogsPage } from '../lib/types';
import { CAP, Rows, type Row } from './rows';

export type Search = { q: string; from: string; to: string };

export class LogStore {
  rows = new Rows();
  /** Grows with every change of `rows`. */
  readonly version = signal(0);
  readonly loading = signal(true);
  readonly error = signal<Error | null>(null);
  readonly stream = signal<'off' | 'connecting' | 'live' | 'lost'>('off');
  readonly paused = signal(false);
  readonly held = signal(0);
  /** What is known about records older than the first row. */
  readonly older = signal<'more' | 'loading' | 'end' | 'full'>('end');
  readonly scanned = signal(0);
  /** The search that the rows answer. */
  readonly shown = signal<Search | null>(null);

  private asking = new AbortController();
  private abort = new AbortController();
  private connection = new AbortController();
  private cursor: string | null = null;
  private lastSeq = 0;
  private arrived: Row[] = [];
  private kept: Row[] = [];
  private flushing = 0;
  private wake = () => {};

  /** Replaces the rows by what `search` finds; keeps them when the filter is wrong. */
  async load(search: Search) {
    // What is shown goes on until something else is found: a filter in the making is often wrong.
    this.asking.abort();
    const abort = (this.asking = new AbortController());
    this.loading.value = true;
    this.scanned.value = 0;
    try {
      const page = await this.first(search, abort.signal);
      this.abort.abort();
      this.abort = abort;
      this.asking = new AbortController();
      batch(() => {
        this.rows = new Rows();
        this.arrived = [];
        this.kept = [];
        this.held.value = 0;
        this.lastSeq = 0;
        this.error.value = null;
        this.shown.value = search;
        this.take(page.items);
        this.cursor = page.next;
        this.older.value = page.next ? 'more' : 'end';
        this.loading.value = false;
        this.version.value += 1;
      });
      if (search.to) this.stream.value = 'off';
      else await this.follow(search, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error.value = error as Error;
      this.loading.value = false;
    }
  }

  stop() {
    this.asking.abort();
    this.abort.abort();
    this.stream.value = 'off';
  }

  pause(on: boolean) {
    if (this.paused.value === on) return;
    this.paused.value = on;
    if (on) return;
    this.arrived.push(...this.kept.splice(0));
    this.held.value = 0;
    this.flush();
    this.wake();
  }

  /** Loads the page before the first row. */
  async loadOlder() {
    const search = this.shown.value;
    if (!search || this.older.value !== 'more') return;
    if (this.rows.list.length >= CAP) {
      this.older.value = 'full';
      return;
    }
    const abort = this.abort.signal;
    this.older.value = 'loading';
    try {
      // Without a cursor (the oldest rows were let go): from the time of the first row, and with it what
      // happened at the same moment.
      const first = this.rows.list.find((row) => row.kind === 'log');
      const to = this.cursor || !first || first.kind !== 'log' ? search.to : String(BigInt(timeOf(first.item)) + 1_000_000n);
      const page = await this.page({ ...search, to }, { limit: 1000, cursor: this.cursor }, abort);
      this.cursor = page.next;
      const { added } = this.take(page.items);
      this.older.value = page.next && (added || page.items.length) ? 'more' : 'end';
      this.version.value += 1;
    } catch {
      if (!abort.aborted) this.older.value = 'more';
    }
  }

  /** Asks again how the given records are linked: spans end after their records. */
  async refreshLinks(items: LogItem[]) {
    if (!items.length) return;
    const seqs = items.map((item) => item.seq);
    const q = `seq>=${Math.min(...seqs)} seq<=${Math.max(...seqs)}`;
    const page = await get<LogsPage>('/api/logs', { q, limit: 1000 }, this.abort.signal);
    const now = new Map(page.items.map((item) => [item.seq, item.link]));
    let changed = false;
    for (const item of items) {
      const link = now.get(item.seq);
      if (link && link !== item.link) {
        item.link = link;
        changed = true;
      }
    }
    if (changed) this.version.value += 1;
  }

  /** Tries the connection now instead of in a moment. */
  retry() {
    this.wake();
  }

  // The newest page, however long the collector takes to be there.
  private async first(search: Search, abort: AbortSignal): Promise<LogsPage> {
    for (;;) {
      try {
        return await this.page(search, { limit: 500 }, abort);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        this.stream.value = 'lost';
        await this.pauseFor(1000, abort);
        abort.throwIfAborted();
      }
    }
  }

  // A search that finds nothing within the collector's time limit goes on.
  private async page(search: Search, more: Record<string, string | number | null>, abort: AbortSignal): Promise<LogsPage> {
    let cursor = more.cursor ?? null;
    for (;;) {
      const page = await get<LogsPage>('/api/logs', { ...search, order: 'desc', ...more, cursor }, abort);
      this.scanned.value += page.scanned ?? 0;
      if (page.items.length || !page.truncated || !page.next) return page;
      cursor = page.next;
    }
  }

  private take(items: LogItem[]) {
    for (const item of items) this.lastSeq = Math.max(this.lastSeq, item.seq);
    return this.rows.add(items.map((item) => this.rows.row(item)));
  }

  private async follow(search: Search, abort: AbortSignal) {
    let wait = 500;
    while (!abort.aborted) {
      await this.until(() => !document.hidden && (!this.paused.value || this.kept.length < HELD), abort);
      const connection = (this.connection = new AbortController());
      const stop = () => connection.abort();
      abort.addEventListener('abort', stop);
      let heard = Date.now();
      let hidden = 0;
      const watch = setInterval(() => {
        hidden = document.hidden ? hidden + 1 : 0;
        // A hidden page gives its connection back: a browser has six for a host.
        if (Date.now() - heard > 45_000 || hidden > 10) connection.abort();
      }, 1000);
      try {
        if (this.stream.value !== 'lost') this.stream.value = 'connecting';
        const start = this.lastSeq ? { after: this.lastSeq } : { since: search.from || '-1h' };
        const response = await open('/api/logs/stream', { q: search.q, ...start }, connection.signal);
        this.stream.value = 'live';
        wait = 500;
        await read(response, (event) => this.event(event), () => (heard = Date.now()));
      } catch (error) {
        if (error instanceof ApiError && error.status < 500) throw error;
      } finally {
        clearInterval(watch);
        abort.removeEventListener('abort', stop);
      }
      if (abort.aborted) return;
      if (document.hidden || (this.paused.value && this.kept.length >= HELD)) continue;
      this.stream.value = 'lost';
      await this.pauseFor(wait, abort);
      wait = Math.min(wait * 2, 5000);
      await refreshStatus();
    }
  }

  private event({ event, id, data }: Event) {
    let row: Row | null = null;
    if (event === 'log') {
      const item = JSON.parse(data) as LogItem;
      this.lastSeq = Math.max(this.lastSeq, item.seq);
      row = this.rows.row(item);
    } else if (event === 'lagged') {
      const { missed, nextSeq } = JSON.parse(data);
      if (nextSeq > 0) this.lastSeq = Math.max(this.lastSeq, nextSeq - 1);
      row = { kind: 'gap', seq: nextSeq - 0.5, t: this.newest(), missed };
    } else if (event === 'restarted') {
      // Order numbers begin anew; what is shown is loaded anew when the status says so, too.
      this.lastSeq = 0;
      void refreshStatus();
    } else {
      // The order number; behind it stands the run that it is of.
      this.lastSeq = Math.max(this.lastSeq, Number.parseInt(id, 10) || 0);
    }
    if (!row) return;
    if (this.paused.value) {
      this.kept.push(row);
      if (this.kept.length >= HELD) this.connection.abort();
      if (!this.flushing) this.flushing = setTimeout(() => this.flush(), FLUSH);
      return;
    }
    this.arrived.push(row);
    if (!this.flushing) this.flushing = setTimeout(() => this.flush(), FLUSH);
  }

  // A gap belongs after everything that arrived before it.
  private newest(): number {
    let newest = this.rows.list.at(-1)?.t ?? 0;
    for (const row of this.arrived) newest = Math.max(newest, row.t);
    for (const row of this.kept) newest = Math.max(newest, row.t);
    return newest;
  }

  private flush() {
    clearTimeout(this.flushing);
    this.flushing = 0;
    if (this.paused.value) this.held.value = this.kept.length;
    if (!this.arrived.length) return;
    const { dropped } = this.rows.add(this.arrived.splice(0));
    if (dropped) {
      this.cursor = null;
      this.older.value = 'more';
    }
    this.version.value += 1;
  }

  private async until(met: () => boolean, abort: AbortSignal) {
    while (!met() && !abort.aborted) await this.pauseFor(1000, abort);
  }

  private pauseFor(time: number, abort: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const end = () => {
        clearTimeout(timer);
        abort.removeEventListener('abort', end);
        document.removeEventListener('visibilitychange', end);
        this.wake = () => {};
        done();
      };
      const timer = setTimeout(end, time);
      abort.addEventListener('abort', end);
      document.addEventListener('visibilitychange', end);
      this.wake = end;
    });
  }
}

/** So many records are held while paused; then the stream is closed and taken up again later. */
export const HELD = 20_000;
const FLUSH = 80;

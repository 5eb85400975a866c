// The rows of the log list: in order of time, each record once, and never more than a page can hold.
//
// Records arrive in batches from several services, so that arrival is not the order of events:
// a batch is merged where its times belong.
import { levelOf, timeOf, type Level } from '../lib/otlp';
import type { LogItem, Resource, Scope } from '../lib/types';

export type LogRow = { kind: 'log'; seq: number; t: number; level: Level; item: LogItem };
/** Records that this reader never saw. */
export type GapRow = { kind: 'gap'; seq: number; t: number; missed: number };
export type Row = LogRow | GapRow;

/** More than this is not held on the page; the collector holds more. */
export const CAP = 100_000;

export function compare(a: Row, b: Row): number {
  return a.t - b.t || a.seq - b.seq;
}

export class Rows {
  list: Row[] = [];
  private seqs = new Set<number>();
  private shared = new Map<string, Resource | Scope>();

  /** The row of an item; what many records have in common is held once. */
  row(item: LogItem): LogRow {
    item.resource = this.once(item.resource ?? {});
    item.scope = this.once(item.scope ?? {});
    return { kind: 'log', seq: item.seq, t: Number(timeOf(item)), level: levelOf(item.record.severityNumber), item };
  }

  /** Merges rows in; says how many were new and whether the oldest had to go. */
  add(batch: Row[]): { added: number; dropped: boolean } {
    const fresh = batch.filter((row) => {
      if (row.kind === 'gap') return true;
      if (this.seqs.has(row.seq)) return false;
      this.seqs.add(row.seq);
      return true;
    });
    fresh.sort(compare);
    const first = fresh[0];
    if (first) {
      const last = this.list.at(-1);
      const tail = last && compare(first, last) < 0 ? this.list.splice(this.indexOf(first)) : [];
      let n = 0;
      for (const row of fresh) {
        while (n < tail.length && compare(tail[n]!, row) <= 0) this.list.push(tail[n++]!);
        this.list.push(row);
      }
      while (n < tail.length) this.list.push(tail[n++]!);
    }
    // With some slack: not a splice for every batch.
    const dropped = this.list.length > CAP * 1.05;
    if (dropped) for (const row of this.list.splice(0, this.list.length - CAP)) this.seqs.delete(row.seq);
    return { added: fresh.length, dropped };
  }

  /** Where the row is, or where it would be. */
  indexOf(row: Row): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.list[middle]!, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private once<T extends Resource | Scope>(value: T): T {
    const key = JSON.stringify(value);
    const known = this.shared.get(key);
    if (known) return known as T;
    this.shared.set(key, value);
    return value;
  }
}

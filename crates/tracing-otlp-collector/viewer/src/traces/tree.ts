// A trace as lines: spans under their parents, records inside their spans, in order of time.
//
// Nothing is left out: a parent or a span of a record that is not here becomes a line that says
// so, and whatever a circle of parents would hide is shown at the top.
import { timeOf } from '../lib/otlp';
import type { LogItem, SpanItem, Trace } from '../lib/types';

export type Node = {
  id: string;
  /** Null: others refer to this span, and it is not here. */
  item: SpanItem | null;
  children: Node[];
  logs: LogItem[];
  /** Nanoseconds since the trace began. */
  start: number;
  end: number;
  errors: number;
};

export type SpanLine = { kind: 'span'; key: string; node: Node; depth: number; open: boolean; nests: boolean; hidden: number };
export type LogLine = { kind: 'log'; key: string; item: LogItem; depth: number; at: number; outside: 'before' | 'after' | null };
export type Line = SpanLine | LogLine;

export type Tree = { roots: Node[]; loose: LogItem[]; origin: bigint; length: number; nodes: Map<string, Node> };

export function grow(trace: Trace): Tree {
  let origin: bigint | null = null;
  const early = (nanos: string | undefined) => {
    if (!nanos || nanos === '0') return;
    const time = BigInt(nanos);
    if (origin === null || time < origin) origin = time;
  };
  for (const { span } of trace.spans) early(span.startTimeUnixNano);
  for (const item of trace.logs) early(timeOf(item));
  const zero = origin ?? 0n;
  const since = (nanos: string | undefined) => (nanos && nanos !== '0' ? Number(BigInt(nanos) - zero) : 0);

  const nodes = new Map<string, Node>();
  const all: Node[] = [];
  let length = 1;
  for (const item of trace.spans) {
    const { span } = item;
    const start = since(span.startTimeUnixNano);
    const end = item.state === 'pending' ? NaN : Math.max(start, since(span.endTimeUnixNano));
    const node: Node = { id: span.spanId, item, children: [], logs: [], start, end, errors: span.status?.code === 2 ? 1 : 0 };
    all.push(node);
    // Two spans of one id (a client and a server that share it): the second is shown, not hung under.
    if (!nodes.has(span.spanId)) nodes.set(span.spanId, node);
    length = Math.max(length, start, end || 0);
  }
  for (const item of trace.logs) length = Math.max(length, since(timeOf(item)));

  const missing = (id: string, start: number): Node => {
    let node = nodes.get(id);
    if (!node) {
      node = { id, item: null, children: [], logs: [], start, end: start, errors: 0 };
      nodes.set(id, node);
      all.push(node);
    }
    return node;
  };
  const roots: Node[] = [];
  for (const node of [...all]) {
    const parent = node.item!.span.parentSpanId;
    if (!parent || /^0*$/.test(parent)) roots.push(node);
    else missing(parent, node.start).children.push(node);
  }
  const loose: LogItem[] = [];
  for (const item of trace.logs) {
    const span = item.record.spanId;
    if (span && !/^0*$/.test(span)) missing(span, since(timeOf(item))).logs.push(item);
    else loose.push(item);
  }
  for (const node of all) {
    if (node.end !== node.end) node.end = length;
    if (node.item) continue;
    const inside = [...node.children.flatMap((child) => [child.start, child.end || child.start]), ...node.logs.map((item) => since(timeOf(item)))];
    node.start = inside.reduce((a, b) => Math.min(a, b), Infinity);
    node.end = inside.reduce((a, b) => Math.max(a, b), 0);
    roots.push(node);
  }
  for (const node of all) {
    node.children.sort((a, b) => a.start - b.start);
    node.logs.sort((a, b) => since(timeOf(a)) - since(timeOf(b)) || a.seq - b.seq);
  }
  // A circle has no root of its own.
  const reached = new Set<Node>();
  const reach = (from: Node[]) => {
    const stack = [...from];
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (reached.has(node)) continue;
      reached.add(node);
      stack.push(...node.children);
    }
  };
  reach(roots);
  for (const node of all) {
    if (reached.has(node)) continue;
    roots.push(node);
    reach([node]);
  }
  roots.sort((a, b) => a.start - b.start);
  return { roots, loose, origin: zero, length, nodes };
}

/** The lines on screen: without what is folded, and without records where `withLogs` is off. */
export function lines(tree: Tree, folded: ReadonlySet<string>, withLogs: boolean): Line[] {
  const out: Line[] = [];
  const shown = new Set<Node>();
  type Work = { node: Node; depth: number } | { log: LogItem; depth: number; node: Node | null };
  const at = (item: LogItem) => Number(BigInt(timeOf(item)) - tree.origin);
  const inOrder = (nodes: Node[], logs: LogItem[], depth: number, parent: Node | null): Work[] => {
    const work: { time: number; work: Work }[] = nodes.map((node) => ({ time: node.start, work: { node, depth } }));
    if (withLogs) for (const log of logs) work.push({ time: at(log), work: { log, depth, node: parent } });
    return work.sort((a, b) => a.time - b.time).map((entry) => entry.work);
  };
  // By hand instead of by recursion: a trace may be as deep as its sender likes.
  const stack = inOrder(tree.roots, tree.loose, 0, null).reverse();
  for (let work = stack.pop(); work; work = stack.pop()) {
    if ('log' in work) {
      const time = at(work.log);
      const { node } = work;
      const outside = !node?.item || node.item.state === 'pending' ? null : time < node.start ? 'before' : time > node.end ? 'after' : null;
      out.push({ kind: 'log', key: `log-${work.log.seq}`, item: work.log, depth: work.depth, at: time, outside });
      continue;
    }
    const { node, depth } = work;
    if (shown.has(node)) continue;
    shown.add(node);
    const key = node.item ? `span-${node.item.seq}` : `missing-${node.id}`;
    const nests = node.children.length > 0 || (withLogs && node.logs.length > 0);
    const open = nests && !folded.has(key);
    out.push({ kind: 'span', key, node, depth, open, nests, hidden: open ? 0 : node.children.length + node.logs.length });
    if (open) stack.push(...inOrder(node.children, node.logs, depth + 1, node).reverse());
  }
  return out;
}

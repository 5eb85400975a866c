// Traces as trees, also those that are none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { grow, lines } = await load('traces/tree.ts');

let seq = 0;
const span = (spanId, parentSpanId, start, end, state = 'ended') => ({ seq: (seq += 1), state, resource: {}, scope: {}, span: { traceId: 't', spanId, parentSpanId, name: spanId, startTimeUnixNano: String(start), endTimeUnixNano: String(end) } });
const log = (spanId, time) => ({ seq: (seq += 1), link: 'linked', resource: {}, scope: {}, record: { spanId, timeUnixNano: String(time) } });
const shape = (spans, logs, folded = new Set(), withLogs = true) =>
  lines(grow({ traceId: 't', spans, logs, missingSpans: [], evicted: false }), folded, withLogs)
    .map((line) => `${' '.repeat(line.depth)}${line.kind === 'log' ? `@${line.at}${line.outside ? ` ${line.outside}` : ''}` : line.node.item ? line.node.id : `missing ${line.node.id}`}`);

test('records and spans stand inside their span in order of time', () => {
  assert.deepEqual(shape([span('b', 'a', 130, 140), span('a', undefined, 100, 200)], [log('a', 110), log('b', 135), log('a', 150)]), ['a', ' @10', ' b', '  @35', ' @50']);
});

test('what refers to a span that is not here hangs under a line that says so', () => {
  assert.deepEqual(shape([span('b', 'gone', 110, 140)], [log('lost', 100), log(undefined, 150)]), ['missing lost', ' @0', 'missing gone', ' b', '@50']);
});

test('a circle of parents is shown, each span once', () => {
  assert.deepEqual(shape([span('a', 'b', 100, 200), span('b', 'a', 110, 120), span('c', 'c', 150, 160)], []), ['a', ' b', 'c']);
});

test('two spans of one id are both shown', () => {
  assert.deepEqual(shape([span('a', undefined, 100, 200), span('a', undefined, 110, 190)], [log('a', 120)]), ['a', ' @20', 'a']);
});

test('a record outside the time of its span is marked', () => {
  assert.deepEqual(shape([span('a', undefined, 100, 200)], [log('a', 90), log('a', 300)]), ['a', ' @0 before', ' @210 after']);
});

test('an open span lasts to the end of what is known', () => {
  const tree = grow({ traceId: 't', spans: [span('a', undefined, 100, 0, 'pending')], logs: [log('a', 400)], missingSpans: [], evicted: false });
  assert.equal(tree.roots[0].end, 300);
});

test('a chain of fifty thousand spans is a list of fifty thousand lines', () => {
  const chain = Array.from({ length: 50_000 }, (_, n) => span(`s${n}`, n ? `s${n - 1}` : undefined, n, n + 1));
  assert.equal(shape(chain, []).length, 50_000);
});

test('a folded span hides what is in it', () => {
  const root = span('a', undefined, 100, 200);
  assert.deepEqual(shape([root, span('b', 'a', 110, 120)], [log('b', 115)], new Set([`span-${root.seq}`])), ['a']);
  assert.deepEqual(shape([root, span('b', 'a', 110, 120)], [log('b', 115)], new Set(), false), ['a', ' b']);
});

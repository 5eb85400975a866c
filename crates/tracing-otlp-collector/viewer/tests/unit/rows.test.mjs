// The rows of the log list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { CAP, Rows } = await load('logs/rows.ts');

const item = (seq, time) => ({ seq, receivedAt: '', link: 'unlinked', resource: { attributes: [{ key: 'a' }] }, scope: {}, record: { timeUnixNano: `${time}000000000` } });
const add = (rows, ...pairs) => rows.add(pairs.map(([seq, time]) => rows.row(item(seq, time))));

test('batches that arrive out of order are merged by time, each record once', () => {
  const rows = new Rows();
  add(rows, [1, 10], [2, 30]);
  add(rows, [3, 20], [4, 40], [2, 30]);
  add(rows, [6, 5], [5, 20]);
  assert.deepEqual(rows.list.map((row) => row.seq), [6, 1, 3, 5, 2, 4]);
  for (const [n, row] of rows.list.entries()) assert.equal(rows.indexOf(row), n);
});

test('a record without a time stands where it arrived', () => {
  const rows = new Rows();
  add(rows, [1, 1_700_000_001], [2, 1_700_000_003]);
  rows.add([rows.row({ ...item(3, 0), receivedAt: new Date(1_700_000_002_000).toISOString(), record: {} })]);
  assert.deepEqual(rows.list.map((row) => row.seq), [1, 3, 2]);
});

test('what records have in common is held once', () => {
  const rows = new Rows();
  add(rows, [1, 1], [2, 2]);
  assert.equal(rows.list[0].item.resource, rows.list[1].item.resource);
});

test('a full list lets its oldest go and says so', () => {
  const rows = new Rows();
  assert.equal(add(rows, ...Array.from({ length: CAP }, (_, n) => [n, n])).dropped, false);
  assert.equal(add(rows, ...Array.from({ length: CAP * 0.06 }, (_, n) => [CAP + n, CAP + n])).dropped, true);
  assert.equal(rows.list.length, CAP);
  assert.equal(rows.list[0].seq, CAP * 0.06);
});

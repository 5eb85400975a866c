// Editing filters without breaking what somebody wrote.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const filter = await load('lib/filter.ts');

test('a condition joins alternatives only behind parentheses', () => {
  assert.equal(filter.and('', 'a=1'), 'a=1');
  assert.equal(filter.and('x y', 'a=1'), 'x y a=1');
  assert.equal(filter.and('x OR y', 'a=1'), '(x OR y) a=1');
  assert.equal(filter.and('(x OR y)', 'a=1'), '(x OR y) a=1');
  assert.equal(filter.and('"x OR y"', 'a=1'), '"x OR y" a=1');
  assert.equal(filter.and('a=1 x', 'a=1'), 'a=1 x');
});

test('keys and values are quoted where they would be read as something else', () => {
  assert.equal(filter.term('http.status', '500'), 'http.status=500');
  assert.equal(filter.term('my key', 'a "b" \\'), '"my key"="a \\"b\\" \\\\"');
  assert.equal(filter.term('a', '', true), '-a=""');
  assert.equal(filter.term('OR', 'x'), '"OR"=x');
  assert.equal(filter.term('a', 'x)'), 'a="x)"');
});

test('the level buttons replace their own term and no other', () => {
  assert.equal(filter.withMinimumLevel('shop', 'warn'), 'shop level>=warn');
  assert.equal(filter.withMinimumLevel('level>=info shop', 'warn'), 'shop level>=warn');
  assert.equal(filter.withMinimumLevel('shop level>=info', ''), 'shop');
  assert.equal(filter.withMinimumLevel('(level>=info OR a) b', 'warn'), '(level>=info OR a) b level>=warn');
  assert.equal(filter.minimumLevel('a level>=warn'), 'warn');
  assert.equal(filter.minimumLevel('"level>=warn"'), '');
});

test('completion knows whether a key or a value is being written', () => {
  assert.deepEqual(filter.asked('serv', 4), { what: 'key', prefix: 'serv', start: 0, end: 4 });
  assert.deepEqual(filter.asked('a -serv', 7), { what: 'key', prefix: 'serv', start: 3, end: 7 });
  assert.deepEqual(filter.asked('service=sh', 10), { what: 'value', key: 'service', prefix: 'sh', start: 8, end: 10 });
  assert.deepEqual(filter.asked('"my key":"a b', 13), { what: 'value', key: 'my key', prefix: 'a b', start: 9, end: 13 });
  assert.deepEqual(filter.asked('a ', 2), { what: 'key', prefix: '', start: 2, end: 2 });
  assert.equal(filter.asked('path=~"^/a', 10), null);
});

test('a byte offset is found in text of any script', () => {
  assert.equal(filter.indexOfByte('abc', 2), 2);
  assert.equal(filter.indexOfByte('äöx', 4), 2);
  assert.equal(filter.indexOfByte('😀x', 4), 2);
  assert.equal(filter.indexOfByte('ab', 99), 2);
});

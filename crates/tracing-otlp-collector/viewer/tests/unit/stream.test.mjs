// Server-sent events in whatever pieces they come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { splitter } = await load('lib/sse.ts');

const text = ': here\n\nevent: log\nid: 7\ndata: {"a":1}\n\ndata: two\r\ndata: lines\r\n\r\nid: 9\n\nevent: log\ndata:bare\n\n';
const whole = [
  { event: 'log', id: '7', data: '{"a":1}' },
  { event: 'message', id: '7', data: 'two\nlines' },
  { event: 'log', id: '9', data: 'bare' },
];

test('events are the same in pieces of any size', () => {
  for (let size = 1; size <= text.length; size += 1) {
    const found = [];
    const feed = splitter((event) => found.push(event));
    for (let at = 0; at < text.length; at += size) feed(text.slice(at, at + size));
    assert.deepEqual(found, whole, `pieces of ${size}`);
  }
});

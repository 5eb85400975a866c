// A stand-in for the collector, for work on the page: takes OTLP/JSON, answers the same API.
//
//   node dev/mock.mjs [--http 127.0.0.1:4318] [--keep RECORDS] [--assets DIR] [--port-file FILE]
//
// It holds everything as objects, knows no protobuf and scans without haste.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compile } from './filter.mjs';

const options = Object.fromEntries(process.argv.slice(2).join('\n').split(/^--/m).filter(Boolean).map((part) => part.trim().split('\n')));
const keep = Number(options.keep ?? 400_000);
const assets = resolve(options.assets ?? join(import.meta.dirname, '../../assets'));
const startedAt = new Date().toISOString();
const policy = "default-src 'self'";

let seq = 0;
let logs = [];
let evicted = 0;
let firstKept = 1;
const spans = [];
const spanIds = new Map();
const metrics = new Map();
const rejected = [];
const streams = new Set();

// ---- receiving

const plain = (value) => {
  if (!value) return undefined;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plain);
  if (value.kvlistValue) return Object.fromEntries((value.kvlistValue.values ?? []).map((pair) => [pair.key, plain(pair.value)]));
  return undefined;
};
const attribute = (list, key) => plain((list ?? []).find((pair) => pair.key === key)?.value);
const nested = (list, key) => {
  const whole = attribute(list, key);
  if (whole !== undefined) return whole;
  const dot = key.indexOf('.');
  let value = dot > 0 ? attribute(list, key.slice(0, dot)) : undefined;
  for (const part of dot > 0 ? key.slice(dot + 1).split('.') : []) value = value?.[part];
  return value;
};
const timeOf = (record) => BigInt(record.timeUnixNano || record.observedTimeUnixNano || 0);

function takeLogs({ resourceLogs = [] }) {
  for (const { resource = {}, scopeLogs = [], schemaUrl } of resourceLogs) {
    for (const { scope = {}, logRecords = [], schemaUrl: scopeSchema } of scopeLogs) {
      for (const record of logRecords) {
        if (!record.timeUnixNano && !record.observedTimeUnixNano) record.observedTimeUnixNano = `${Date.now()}000000`;
        store({ seq: (seq += 1), receivedAt: new Date().toISOString(), link: 'unlinked', service: attribute(resource.attributes, 'service.name'), resource: { ...resource, schemaUrl }, scope: { ...scope, schemaUrl: scopeSchema }, record });
      }
    }
  }
}

function store(item) {
  logs.push(item);
  if (logs.length > keep * 1.1) {
    evicted += logs.length - keep;
    logs = logs.slice(-keep);
    firstKept = logs[0].seq;
  }
  for (const stream of streams) stream.wake();
}

function takeSpans({ resourceSpans = [] }) {
  for (const { resource = {}, scopeSpans = [] } of resourceSpans) {
    for (const { scope = {}, spans: list = [] } of scopeSpans) {
      for (const span of list) {
        const service = attribute(resource.attributes, 'service.name');
        const type = attribute(span.attributes, 'logfire.span_type');
        if (type === 'log') {
          const record = { timeUnixNano: span.startTimeUnixNano, severityNumber: attribute(span.attributes, 'logfire.level_num') ?? 9, body: { stringValue: attribute(span.attributes, 'logfire.msg') ?? span.name }, attributes: span.attributes, traceId: span.traceId, spanId: span.parentSpanId };
          store({ seq: (seq += 1), receivedAt: new Date().toISOString(), link: 'unlinked', service, resource, scope, record, fromSpan: true });
          continue;
        }
        const id = type === 'pending_span' ? span.parentSpanId : span.spanId;
        const known = spanIds.get(span.traceId + id);
        if (known && type === 'pending_span') continue;
        const parent = type === 'pending_span' ? attribute(span.attributes, 'logfire.pending_parent_id') : span.parentSpanId;
        const item = { seq: (seq += 1), receivedAt: new Date().toISOString(), state: type === 'pending_span' ? 'pending' : 'ended', service, resource, scope, span: { ...span, spanId: id, parentSpanId: parent && !/^0+$/.test(parent) ? parent : undefined } };
        if (known) Object.assign(known, item);
        else { spans.push(item); spanIds.set(span.traceId + id, item); }
      }
    }
  }
}

function takeMetrics({ resourceMetrics = [] }) {
  for (const { resource = {}, scopeMetrics = [] } of resourceMetrics) {
    for (const { scope = {}, metrics: list = [] } of scopeMetrics) {
      for (const metric of list) {
        const service = attribute(resource.attributes, 'service.name');
        const type = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'].find((name) => metric[name]);
        const key = `${service}/${scope.name}/${metric.name}`;
        const held = metrics.get(key) ?? { name: metric.name, description: metric.description, unit: metric.unit, type, service, scope, series: [] };
        if (metric[type].aggregationTemporality) held.temporality = metric[type].aggregationTemporality === 1 ? 'delta' : 'cumulative';
        if (metric[type].isMonotonic !== undefined) held.monotonic = metric[type].isMonotonic;
        metrics.set(key, held);
        for (const point of metric[type].dataPoints ?? []) {
          const name = JSON.stringify(point.attributes ?? []);
          let series = held.series.find((one) => JSON.stringify(one.attributes) === name);
          if (!series) held.series.push((series = { attributes: point.attributes ?? [], points: [] }));
          series.points.push(point);
          if (series.points.length > 100) series.points.shift();
        }
      }
    }
  }
}

// ---- asking

const MINUTE = 60_000;
function linkOf({ record }) {
  if (!record.traceId || !record.spanId) return 'unlinked';
  const span = spanIds.get(record.traceId + record.spanId);
  if (span) return 'linked';
  const children = spans.some((item) => item.span.traceId === record.traceId && item.span.parentSpanId === record.spanId && item.state === 'pending');
  return children || Date.now() - Number(timeOf(record) / 1_000_000n) < MINUTE ? 'pending' : 'orphaned';
}

const logSight = (item) => ({
  severity: item.record.severityNumber,
  texts: () => [String(plain(item.record.body) ?? ''), ...(item.record.attributes ?? []).map((pair) => pair.value?.stringValue ?? '')],
  look(key) {
    const { record } = item;
    switch (key) {
      case 'service': return item.service;
      case 'scope': return item.scope.name;
      case 'body': return typeof plain(record.body) === 'object' ? JSON.stringify(plain(record.body)) : plain(record.body);
      case 'event': return record.eventName;
      case 'trace': return record.traceId;
      case 'span': return record.spanId;
      case 'link': return linkOf(item);
      case 'seq': return item.seq;
      case 'time': return Number(timeOf(record));
      default: return owned(key, record.attributes, item);
    }
  },
});
const spanSight = (item) => ({
  severity: item.span.status?.code === 2 ? 17 : 0,
  texts: () => [item.span.name, ...(item.span.attributes ?? []).map((pair) => pair.value?.stringValue ?? '')],
  look(key) {
    const { span } = item;
    switch (key) {
      case 'service': return item.service;
      case 'scope': return item.scope.name;
      case 'name': return span.name;
      case 'trace': return span.traceId;
      case 'span': return span.spanId;
      case 'status': return ['unset', 'ok', 'error'][span.status?.code ?? 0];
      case 'duration': return Number(BigInt(span.endTimeUnixNano ?? 0) - BigInt(span.startTimeUnixNano ?? 0));
      default: return owned(key, span.attributes, item);
    }
  },
});
function owned(key, attributes, item) {
  if (key.startsWith('attr.')) return nested(attributes, key.slice(5));
  if (key.startsWith('resource.')) return nested(item.resource.attributes, key.slice(9));
  if (key.startsWith('scope.')) return nested(item.scope.attributes, key.slice(6));
  return nested(attributes, key) ?? nested(item.scope.attributes, key) ?? nested(item.resource.attributes, key);
}

function end(text) {
  if (!text) return null;
  const relative = text.match(/^-(\d+)([smhd])$/);
  if (relative) return BigInt(Date.now() - Number(relative[1]) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[relative[2]]) * 1_000_000n;
  return /^\d+$/.test(text) ? BigInt(text) : BigInt(Date.parse(text)) * 1_000_000n;
}
const shown = (item) => ({ ...item, link: linkOf(item) });

function within(query) {
  const matches = compile(query.get('q') ?? '');
  const from = end(query.get('from'));
  const to = end(query.get('to'));
  return (item, time) => (from === null || time >= from) && (to === null || time < to) && matches(item);
}

const routes = {
  '/api/status': () => ({ version: 'stand-in', startedAt, listening: [`http://${server.address().address}:${server.address().port}`], counts: {}, kept: { logs: logs.length, spans: spans.length, dataPoints: [...metrics.values()].reduce((n, m) => n + m.series.reduce((k, s) => k + s.points.length, 0), 0), bytes: logs.length * 420 + spans.length * 380, capacityBytes: 512 * 1024 * 1024, oldest: logs[0]?.receivedAt ?? null }, files: null }),
  '/api/logs': (query) => {
    const matches = within(query);
    const limit = Math.min(1000, Number(query.get('limit') ?? 100));
    const before = Number(query.get('cursor') ?? Infinity);
    const items = [];
    let scanned = 0;
    for (let n = logs.length - 1; n >= 0; n -= 1) {
      const item = logs[n];
      if (item.seq >= before) continue;
      if (items.length === limit) return { items, next: String(items.at(-1).seq), scanned, truncated: false };
      scanned += 1;
      if (matches(logSight(item), timeOf(item.record))) items.push(shown(item));
    }
    return { items, next: null, scanned, truncated: false };
  },
  '/api/logs/histogram': (query) => {
    const matches = within(query);
    const count = Number(query.get('buckets') ?? 60);
    const found = logs.filter((item) => matches(logSight(item), timeOf(item.record)));
    const to = end(query.get('to')) ?? BigInt(Date.now()) * 1_000_000n;
    const from = end(query.get('from')) ?? found.reduce((low, item) => (timeOf(item.record) < low ? timeOf(item.record) : low), to - 1_000_000_000n);
    const width = (to - from) / BigInt(count) + 1n;
    const names = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
    const buckets = Array.from({ length: count }, (_, n) => ({ start: String(from + width * BigInt(n)), trace: 0, debug: 0, info: 0, warn: 0, error: 0, fatal: 0, unset: 0 }));
    for (const { record } of found) {
      const bucket = buckets[Number((timeOf(record) - from) / width)];
      const level = record.severityNumber ? names[Math.floor((record.severityNumber - 1) / 4)] : 'unset';
      if (bucket) bucket[level] += 1;
    }
    return { from: String(from), to: String(to), bucketNanos: String(width), buckets };
  },
  '/api/fields': (query) => {
    const prefix = (query.get('prefix') ?? '').toLowerCase();
    const counts = new Map();
    const note = (key, source) => counts.set(`${source} ${key}`, { key, source, count: (counts.get(`${source} ${key}`)?.count ?? 0) + 1 });
    for (const key of ['level', 'service', 'scope', 'body', 'event', 'trace', 'span', 'link', 'seq', 'time', 'has']) note(key, 'builtin');
    for (const item of logs.slice(-2000)) {
      for (const pair of item.record.attributes ?? []) note(pair.key, 'attribute');
      for (const pair of item.resource.attributes ?? []) note(pair.key, 'resource');
    }
    return { fields: [...counts.values()].filter((field) => field.key.toLowerCase().startsWith(prefix)).sort((a, b) => (a.source === 'builtin' ? -1 : b.source === 'builtin' ? 1 : b.count - a.count)).slice(0, 50) };
  },
  '/api/traces': (query) => {
    const matches = within(query);
    const traces = new Map();
    const of = (id) => {
      if (!traces.has(id)) traces.set(id, { traceId: id, spans: [], logs: [], hit: false });
      return traces.get(id);
    };
    for (const item of spans) { const trace = of(item.span.traceId); trace.spans.push(item); trace.hit ||= matches(spanSight(item), BigInt(item.span.startTimeUnixNano)); }
    for (const item of logs) if (item.record.traceId) { const trace = of(item.record.traceId); trace.logs.push(item); trace.hit ||= matches(logSight(item), timeOf(item.record)); }
    const limit = Number(query.get('limit') ?? 50);
    const before = Number(query.get('cursor') ?? Infinity);
    const all = [...traces.values()].filter((trace) => trace.hit).map(summary).filter((trace) => trace.seq < before).sort((a, b) => b.seq - a.seq);
    const items = all.slice(0, limit);
    return { items, next: all.length > limit ? String(items.at(-1).seq) : null };
  },
  '/api/metrics': (query) => {
    const matches = compile(query.get('q') ?? '');
    return { items: [...metrics.values()].filter((metric) => matches({ texts: () => [metric.name], look: (key) => ({ name: metric.name, service: metric.service })[key] })) };
  },
  '/api/audit': () => {
    const audit = { records: logs.length, linked: 0, unlinked: 0, orphaned: 0, pending: 0, evicted, orphans: [] };
    for (const item of logs) {
      const link = linkOf(item);
      audit[link] += 1;
      if (link === 'orphaned' && audit.orphans.length < 100) audit.orphans.push({ seq: item.seq, traceId: item.record.traceId, spanId: item.record.spanId, reason: 'its span never arrived', body: item.record.body });
    }
    return audit;
  },
  '/api/rejected': () => ({ items: rejected.map(({ body, ...rest }) => rest).reverse() }),
};

function summary({ traceId, spans, logs }) {
  const root = spans.find((item) => !item.span.parentSpanId);
  const times = [...spans.flatMap((item) => [item.span.startTimeUnixNano, item.span.endTimeUnixNano]), ...logs.map((item) => item.record.timeUnixNano)].filter((time) => time && time !== '0').map(BigInt);
  const low = times.reduce((a, b) => (a < b ? a : b), times[0] ?? 0n);
  const high = times.reduce((a, b) => (a > b ? a : b), times[0] ?? 0n);
  return { traceId, rootName: root?.span.name ?? null, rootMissing: !root && spans.length > 0, services: [...new Set([...spans, ...logs].map((item) => item.service).filter(Boolean))], startUnixNano: String(low), durationNano: String(high - low), spans: spans.length, logs: logs.length, errors: spans.filter((item) => item.span.status?.code === 2).length, pending: spans.filter((item) => item.state === 'pending').length, orphanedLogs: logs.filter((item) => linkOf(item) === 'orphaned').length, seq: Math.max(...spans.map((item) => item.seq), ...logs.map((item) => item.seq)) };
}

function trace(id) {
  const own = spans.filter((item) => item.span.traceId === id);
  const inside = logs.filter((item) => item.record.traceId === id);
  if (!own.length && !inside.length) return null;
  const here = new Set(own.map((item) => item.span.spanId));
  const referred = new Set([...own.map((item) => item.span.parentSpanId), ...inside.map((item) => item.record.spanId)].filter(Boolean));
  return { traceId: id, spans: own, logs: inside.map(shown), missingSpans: [...referred].filter((one) => !here.has(one)), evicted: false };
}

function stream(request, response, query) {
  const matches = within(new URLSearchParams({ q: query.get('q') ?? '' }));
  const last = request.headers['last-event-id'] ?? query.get('after');
  const since = end(query.get('since') ?? '-1h');
  let next = last ? Number(last) + 1 : firstKept;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': here\n\n');
  let replayed = last ? 0 : 0;
  let replaying = true;
  let busy = false;
  const pump = async () => {
    if (busy) return;
    busy = true;
    while (next <= seq && !response.destroyed) {
      if (next < firstKept) {
        response.write(`event: lagged\ndata: ${JSON.stringify({ missed: firstKept - next, firstMissed: next, nextSeq: firstKept })}\n\n`);
        next = firstKept;
      }
      let low = 0;
      for (let high = logs.length; low < high;) { const middle = (low + high) >> 1; if (logs[middle].seq < next) low = middle + 1; else high = middle; }
      const item = logs[low];
      if (!item) { next = seq + 1; break; }
      next = item.seq + 1;
      if (replaying && !last && timeOf(item.record) < since) continue;
      if (!matches(logSight(item), timeOf(item.record))) continue;
      replayed += 1;
      if (!response.write(`event: log\nid: ${item.seq}\ndata: ${JSON.stringify(shown(item))}\n\n`)) await new Promise((done) => { response.once('drain', done); response.once('close', done); });
    }
    busy = false;
    if (replaying) response.write(`event: replayed\ndata: ${JSON.stringify({ count: replayed })}\n\n`);
    replaying = false;
  };
  const self = { wake: () => void pump() };
  streams.add(self);
  const beat = setInterval(() => response.write(': beat\n\n'), 15_000);
  response.on('close', () => { streams.delete(self); clearInterval(beat); });
  void pump();
}

// ---- serving

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml', txt: 'text/plain; charset=utf-8' };

async function answer(request, response) {
  const url = new URL(request.url, 'http://stand-in');
  const json = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const take = { '/v1/logs': takeLogs, '/v1/traces': takeSpans, '/v1/metrics': takeMetrics, '/api/otel/logs': takeLogs }[url.pathname];
  if (request.method === 'POST' && take) {
    const body = await buffer(request);
    try {
      take(JSON.parse(body));
      return json(200, {});
    } catch (error) {
      rejected.push({ id: rejected.length + 1, at: new Date().toISOString(), signal: url.pathname.slice(4), protocol: 'http/json', status: 400, reason: `the body is not OTLP/JSON: ${error.message}`, bytes: body.length, headers: { ...request.headers, ...(request.headers.authorization ? { authorization: '***' } : {}) }, body });
      return json(400, { code: 3, message: error.message });
    }
  }
  if (url.pathname === '/api/logs/stream') {
    compile(url.searchParams.get('q') ?? '');
    return stream(request, response, url.searchParams);
  }
  if (routes[url.pathname]) return json(200, routes[url.pathname](url.searchParams));
  const one = url.pathname.match(/^\/api\/traces\/([0-9a-f]{32})$/);
  if (one) return trace(one[1]) ? json(200, trace(one[1])) : json(404, { error: { message: 'nothing of this trace is kept' } });
  const values = url.pathname.match(/^\/api\/fields\/(.+)\/values$/);
  if (values) return json(200, { values: completions(decodeURIComponent(values[1]), url.searchParams.get('prefix') ?? '') });
  const dead = url.pathname.match(/^\/api\/rejected\/(\d+)\/body$/);
  if (dead && rejected[dead[1] - 1]) {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    return response.end(rejected[dead[1] - 1].body);
  }
  const file = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
  if (!/^[a-z]+\.[a-z]+$/.test(file)) return json(404, { error: { message: 'no such page' } });
  try {
    const content = await readFile(join(assets, file));
    response.writeHead(200, { 'content-type': types[file.split('.').pop()], 'content-security-policy': policy, 'x-content-type-options': 'nosniff' });
    response.end(content);
  } catch {
    json(404, { error: { message: 'no such page' } });
  }
}

function completions(key, prefix) {
  if (key === 'level') return ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].filter((name) => name.startsWith(prefix)).map((value) => ({ value, count: 0 }));
  if (key === 'link') return ['linked', 'unlinked', 'orphaned', 'pending'].filter((name) => name.startsWith(prefix)).map((value) => ({ value, count: 0 }));
  const counts = new Map();
  for (const item of logs.slice(-2000)) {
    const value = logSight(item).look(key);
    if (value !== undefined && String(value).toLowerCase().startsWith(prefix.toLowerCase())) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  }
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, 50);
}

async function buffer(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (response.headersSent) return response.destroy();
    response.writeHead(error.position === undefined ? 500 : 400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: error.message, position: error.position } }));
  });
});
const [host, port] = (options.http ?? '127.0.0.1:4318').split(':');
server.listen(Number(port), host, () => {
  const at = `http://${host}:${server.address().port}`;
  if (options['port-file']) writeFileSync(options['port-file'], JSON.stringify({ endpoints: [at], viewer: `${at}/` }));
  console.log(`stand-in listening on ${at}`);
});

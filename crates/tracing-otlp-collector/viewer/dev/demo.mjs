// Sends made-up telemetry to a collector, or to the stand-in: services with traces and records
// inside them, records without a span, orphans, open spans, Logfire's span-logs, nested values,
// hostile and very long texts, metrics, and requests that will be rejected.
//
//   node dev/demo.mjs [URL] [--records N] [--live]
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';

const text = (value) => ({ stringValue: value });
const int = (value) => ({ intValue: String(value) });
const pair = (key, value) => ({ key, value });
const nanos = (millis, more = 0) => String(BigInt(Math.floor(millis * 1000)) * 1000n + BigInt(more));

// The same data every time.
let state = 7;
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32);
const pick = (list) => list[Math.floor(random() * list.length)];
const hex = (length) => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');

const resource = (service) => ({
  attributes: [
    pair('service.name', text(service)), pair('service.version', text('1.4.2')), pair('service.instance.id', text(`${service}-7f9c`)),
    pair('host.name', text('dev-box')), pair('process.pid', int(4242)), pair('telemetry.sdk.language', text('rust')),
    pair('telemetry.sdk.name', text('opentelemetry')), pair('deployment.environment.name', text('development')),
  ],
});
const severity = { TRACE: 1, DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17, FATAL: 21 };

function record(level, body, at, attributes = [], { traceId, spanId, eventName } = {}) {
  return {
    timeUnixNano: nanos(at, Math.floor(random() * 1000)), observedTimeUnixNano: nanos(at + 0.2), severityNumber: severity[level], severityText: level,
    body: typeof body === 'string' ? text(body) : body, attributes, ...(traceId ? { traceId, spanId, flags: 1 } : {}), ...(eventName ? { eventName } : {}),
  };
}

/** A purchase through three services, with records inside every span. */
export function purchase(start, { fails = false, orphan = false, open = false } = {}) {
  const traceId = hex(32);
  const out = { logs: new Map(), spans: new Map() };
  const log = (service, scope, entry) => push(out.logs, service, scope, entry);
  const order = Math.floor(random() * 90000 + 10000);
  let at = start;
  const span = (service, name, parent, kind, length, attributes, more = {}) => {
    const spanId = hex(16);
    push(out.spans, service, `${service}::${name.split(' ')[0].toLowerCase()}`, { traceId, spanId, ...(parent ? { parentSpanId: parent } : {}), name, kind, startTimeUnixNano: nanos(at), endTimeUnixNano: nanos(at + length), attributes, flags: 257, status: {}, ...more });
    return spanId;
  };
  const total = 40 + random() * 160 + (fails ? 900 : 0);
  const root = span('gateway', 'POST /checkout', null, 2, total, [pair('http.request.method', text('POST')), pair('url.path', text('/checkout')), pair('http.response.status_code', int(fails ? 502 : 200)), pair('client.address', text('10.0.0.17'))], fails ? { status: { code: 2, message: 'upstream: payment refused' } } : {});
  log('gateway', 'gateway::http', record('INFO', 'request started', at, [pair('url.path', text('/checkout')), pair('http.request.method', text('POST'))], { traceId, spanId: root }));
  at += 2;
  const cart = span('shop', 'cart.load', root, 3, 9 + random() * 10, [pair('cart.id', int(order))]);
  log('shop', 'shop::cart', record('DEBUG', `loaded cart with ${Math.floor(random() * 6) + 1} items`, at + 4, [pair('cart.id', int(order)), pair('cache.hit', { boolValue: random() > 0.4 })], { traceId, spanId: cart }));
  at += 14;
  const price = span('shop', 'price.total', root, 1, 6, []);
  log('shop', 'shop::price', record('TRACE', 'discount rules evaluated', at + 1, [pair('rules', int(14)), pair('discount', { doubleValue: 0.05 })], { traceId, spanId: price }));
  at += 8;
  const pay = span('payments', 'charge card', root, 2, fails ? 820 : 22, [pair('payment.provider', text('acme')), pair('amount', { doubleValue: 59.9 })], {
    ...(fails ? { status: { code: 2, message: 'refused by issuer' } } : {}),
    events: fails ? [{ timeUnixNano: nanos(at + 700), name: 'exception', attributes: [pair('exception.type', text('PaymentRefused')), pair('exception.message', text('card declined')), pair('exception.stacktrace', text('PaymentRefused: card declined\n  at charge (payments/src/charge.rs:88)\n  at handle (payments/src/http.rs:31)'))] }] : [],
  });
  log('payments', 'payments::charge', record('INFO', 'charging card', at + 1, [pair('amount', { doubleValue: 59.9 }), pair('currency', text('EUR')), pair('order', int(order))], { traceId, spanId: pay }));
  const db = span('payments', 'INSERT ledger', pay, 3, 7, [pair('db.system.name', text('postgresql')), pair('db.query.text', text('INSERT INTO ledger (order_id, amount, currency) VALUES ($1, $2, $3)'))]);
  log('payments', 'sqlx::query', record('DEBUG', 'summary="INSERT INTO ledger …" rows_affected=1', at + 6, [pair('elapsed', { doubleValue: 0.0061 }), pair('rows_affected', int(1))], { traceId, spanId: db }));
  if (fails) {
    for (let n = 1; n <= 3; n += 1) log('payments', 'payments::retry', record('WARN', `attempt ${n} failed, retrying`, at + 200 * n, [pair('attempt', int(n)), pair('backoff_ms', int(100 * 2 ** n))], { traceId, spanId: pay }));
    log('payments', 'payments::charge', record('ERROR', 'payment refused by issuer', at + 810, [
      pair('error.type', text('PaymentRefused')), pair('order', int(order)),
      pair('request', { kvlistValue: { values: [pair('id', text(hex(8))), pair('card', { kvlistValue: { values: [pair('brand', text('visa')), pair('last4', text('4242')), pair('checks', { arrayValue: { values: [text('cvc'), text('avs'), { boolValue: false }] } })] } }), pair('amounts', { arrayValue: { values: [{ doubleValue: 50 }, { doubleValue: 9.9 }] } })] } }),
      pair('raw', { bytesValue: Buffer.from('ISO8583\u0001\u0002\u00ff declined 05').toString('base64') }),
    ], { traceId, spanId: pay }));
    at = start + total - 6;
    log('gateway', 'gateway::http', record('ERROR', 'request failed', at, [pair('http.response.status_code', int(502)), pair('duration_ms', { doubleValue: total })], { traceId, spanId: root }));
  } else {
    at = start + total - 3;
    log('gateway', 'gateway::http', record('INFO', 'request finished', at, [pair('http.response.status_code', int(200)), pair('duration_ms', { doubleValue: Math.round(total * 10) / 10 })], { traceId, spanId: root, eventName: 'http.request.finished' }));
  }
  if (orphan) log('shop', 'shop::mail', record('WARN', 'confirmation mail queued from a span that was never exported', at, [pair('queue', text('mail'))], { traceId, spanId: hex(16) }));
  if (open) {
    const working = hex(16);
    push(out.spans, 'shop', 'shop::worker', { traceId, spanId: hex(16), parentSpanId: working, name: 'fulfil order', kind: 1, startTimeUnixNano: nanos(at), endTimeUnixNano: nanos(at), attributes: [pair('logfire.span_type', text('pending_span')), pair('logfire.pending_parent_id', text(root)), pair('order', int(order))] });
    log('shop', 'shop::worker', record('INFO', 'picking started', at + 1, [pair('order', int(order))], { traceId, spanId: working }));
    push(out.spans, 'shop', 'logfire', { traceId, spanId: hex(16), parentSpanId: working, name: 'picked item', kind: 1, startTimeUnixNano: nanos(at + 2), endTimeUnixNano: nanos(at + 2), attributes: [pair('logfire.span_type', text('log')), pair('logfire.level_num', int(9)), pair('logfire.msg', text('picked item {sku}')), pair('sku', text('A-113'))] });
    // A parent that never came.
    push(out.spans, 'shop', 'shop::stock', { traceId, spanId: hex(16), parentSpanId: hex(16), name: 'stock.reserve', kind: 1, startTimeUnixNano: nanos(at), endTimeUnixNano: nanos(at + 12), attributes: [] });
  }
  return { traceId, ...out };
}

export function strange(at) {
  const out = new Map();
  const log = (entry) => push(out, 'shop', 'shop::strange', entry);
  log(record('WARN', '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>', at, [pair('html', text('<b>bold</b>')), pair('"><svg onload=alert(1)>', text('javascript:alert(1)'))]));
  log(record('INFO', 'right to left \u202e gnp.exe and \u0000 nul, tab\tand\nline end, \u001b[31mred\u001b[0m', at + 1));
  log(record('INFO', `a long text ${'lorem ipsum dolor sit amet '.repeat(8000)}`, at + 2, [pair('long', text('x'.repeat(50_000)))]));
  log(record('INFO', { kvlistValue: { values: [pair('message', text('a body that is a map')), pair('list', { arrayValue: { values: [int(1), { doubleValue: 2.5 }, { boolValue: true }, {}, { kvlistValue: { values: [] } }] } }), pair('big', int('9223372036854775807'))] } }, at + 3, [pair('nan', { doubleValue: 'NaN' }), pair('empty', {}), pair('', text('an empty key')), pair('blank', text(''))]));
  log(record('FATAL', 'out of disk on /var', at + 4, [pair('free', int(0))], {}));
  log({ body: text('a record with neither time nor level') });
  return out;
}

function push(groups, service, scope, entry) {
  const key = `${service}\n${scope}`;
  if (!groups.has(key)) groups.set(key, []);
  groups.get(key).push(entry);
}

const grouped = (groups, inner, list) => [...groups].map(([key, entries]) => {
  const [service, scope] = key.split('\n');
  return { resource: resource(service), [inner]: [{ scope: { name: scope, version: '1.4.2' }, [list]: entries }] };
});

export async function post(url, path, body) {
  const response = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  await response.arrayBuffer();
  return response.status;
}

async function must(url, path, body) {
  const status = await post(url, path, body);
  if (status !== 200) throw new Error(`${path} was answered with ${status}`);
}

export const sendLogs = (url, groups) => must(url, '/v1/logs', { resourceLogs: grouped(groups, 'scopeLogs', 'logRecords') });
export const sendSpans = (url, groups) => must(url, '/v1/traces', { resourceSpans: grouped(groups, 'scopeSpans', 'spans') });

/** One record after the other from one service, without a span. */
export async function sendMany(url, count, { start = Date.now(), body = (n) => `record ${n}`, step = 0.01, size = 5000, service = 'bulk' } = {}) {
  for (let sent = 0; sent < count; sent += size) {
    const entries = Array.from({ length: Math.min(size, count - sent) }, (_, n) => record(pick(['TRACE', 'DEBUG', 'DEBUG', 'INFO', 'INFO', 'INFO', 'WARN', 'ERROR']), body(sent + n), start + (sent + n) * step, [pair('n', int(sent + n)), pair('worker', text(`w${(sent + n) % 8}`))]));
    await sendLogs(url, new Map([[`${service}\nbulk::load`, entries]]));
  }
}

export async function sendPurchase(url, start, options) {
  const { traceId, logs, spans } = purchase(start, options);
  await sendLogs(url, logs);
  await sendSpans(url, spans);
  return traceId;
}

let growing = 0;
export async function sendMetrics(url, at, started) {
  growing += 1;
  const shared = { startTimeUnixNano: nanos(started), timeUnixNano: nanos(at) };
  const scale = growing * 10;
  await must(url, '/v1/metrics', { resourceMetrics: [{ resource: resource('shop'), scopeMetrics: [{ scope: { name: 'shop::metrics' }, metrics: [
    { name: 'process.memory.usage', unit: 'By', description: 'Physical memory in use', gauge: { dataPoints: [{ ...shared, asInt: String(Math.floor(180e6 + Math.sin(growing / 6) * 2e7)) }] } },
    { name: 'http.server.active_requests', unit: '{request}', description: 'Requests in flight', sum: { aggregationTemporality: 2, isMonotonic: false, dataPoints: ['GET', 'POST', 'PUT'].map((method, n) => ({ ...shared, attributes: [pair('http.request.method', text(method))], asInt: String(Math.floor((8 - n * 2) * (1 + Math.sin(growing / (4 + n))))) })) } },
    { name: 'orders.placed', unit: '{order}', description: 'Orders since the start', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...shared, asInt: String(scale + Math.floor(random() * 9)) }] } },
    { name: 'http.server.request.duration', unit: 's', description: 'Duration of requests', histogram: { aggregationTemporality: 2, dataPoints: [{ ...shared, count: String(scale * 2), sum: scale * 0.09, bucketCounts: [2, 9, 24, 31, 18, 10, 4, 2].map((part) => String(Math.floor((part * scale) / 50))), explicitBounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5] }] } },
    { name: 'queue.delay', unit: 'ms', description: 'Time between queueing and picking', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ ...shared, count: '60', sum: 500, scale: 1, zeroCount: '2', positive: { offset: 2, bucketCounts: ['3', '8', '17', '14', '9', '5', '2'] } }] } },
  ] }] }] });
}

export async function demo(url, { records = 100_000 } = {}) {
  const now = Date.now();
  const started = now - 50 * 60_000;
  if (records) await sendMany(url, records, { start: started, step: (45 * 60_000) / records, body: (n) => pick([`tick ${n}`, `polled queue, ${n % 7} waiting`, `GET /items/${n} 200`, 'cache refreshed', `heartbeat from worker ${n % 8}`]) });
  for (let n = 0; n < 60; n += 1) await sendPurchase(url, now - (60 - n) * 4000, { fails: n % 9 === 4, orphan: n % 20 === 7, open: n === 57 });
  await sendLogs(url, strange(now - 2000));
  for (let n = 0; n < 60; n += 1) await sendMetrics(url, now - (60 - n) * 10_000, started);
  await post(url, '/v1/logs', '{"resourceLogs": [{"scopeLogs": [{"logRecords": "none"');
  await post(url, '/v1/traces', 'not JSON at all');
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const url = argv.slice(2).find((word) => word.startsWith('http')) ?? 'http://127.0.0.1:4318';
  const records = argv.includes('--records') ? Number(argv[argv.indexOf('--records') + 1]) : 100_000;
  await demo(url, { records });
  console.log(`sent to ${url}`);
  while (argv.includes('--live')) {
    await new Promise((done) => setTimeout(done, 300 + Math.random() * 900));
    await sendPurchase(url, Date.now() - 200, { fails: Math.random() < 0.1, orphan: Math.random() < 0.05 });
  }
}

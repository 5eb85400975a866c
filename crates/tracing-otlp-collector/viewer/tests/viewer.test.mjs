// The page in a real browser, against a collector that receives OTLP/JSON.
//
// `tests/run` starts this. Screenshots are written for review, dark and light.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { demo, post, sendLogs, sendMany, sendMetrics, sendPurchase, strange } from '../dev/demo.mjs';
import { launch } from './browser.mjs';
import { realThing, serve } from './server.mjs';

const screenshots = process.env.TRACING_OTLP_SCREENSHOTS || join(import.meta.dirname, '../screenshots');
const PATIENCE = 20_000;

let browser;
let collector;
let page;
let url;
/** What no test may see: errors of the page, refusals by its policy, requests to elsewhere. */
let wrong;

before(async () => {
  await mkdir(screenshots, { recursive: true });
  browser = await launch();
  console.log(realThing ? `against ${process.env.TRACING_OTLP_BIN}` : 'AGAINST THE STAND-IN: no TRACING_OTLP_BIN');
});
after(() => browser?.close());

beforeEach(async () => {
  wrong = [];
  collector = await serve();
  ({ url } = collector);
  page = await fresh();
});
afterEach(async () => {
  for (const open of browser.context.pages().slice(1)) await open.close();
  await browser.context.pages()[0]?.goto('about:blank');
  await collector.stop();
  assert.deepEqual(wrong, []);
});

async function fresh() {
  const page = await browser.context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', (error) => wrong.push(`error: ${error.stack}`));
  page.on('dialog', (dialog) => { wrong.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('console', (message) => { if (/Content Security Policy|Refused to/i.test(message.text())) wrong.push(message.text()); });
  page.on('request', (request) => { if (!request.url().startsWith(url) && !request.url().startsWith('about:')) wrong.push(`request to ${request.url()}`); });
  return page;
}

const rows = () => page.locator('.records [role=row]');
const row = (text) => page.locator('.records [role=row]', { hasText: text });
const panel = () => page.locator('aside.panel');
const filter = () => page.locator('#filter');
const shown = async () => Number((await page.locator('.list-foot span').first().textContent()).replace(/\D/g, ''));
const until = async (what, condition, patience = PATIENCE) => {
  const end = Date.now() + patience;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) assert.fail(`${what}: not within ${patience} ms`);
    await new Promise((done) => setTimeout(done, 40));
  }
};
const open = async (hash = '') => {
  await page.goto(`${url}/${hash}`);
  await page.locator('header.top').waitFor();
};
const live = () => page.locator('.list-foot .live.live').waitFor();

test('an empty collector says what to set, and the first record takes its place', async () => {
  await open();
  const empty = page.locator('.empty');
  await empty.waitFor();
  assert.match(await empty.textContent(), /OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:\d+/);
  await live();
  await sendMany(url, 1, { body: () => 'the very first' });
  await row('the very first').waitFor();
  await empty.waitFor({ state: 'detached' });
});

test('the live list grows by itself and follows its end', async () => {
  await sendMany(url, 3, { body: (n) => `early ${n}`, start: Date.now() - 1000 });
  await open();
  await row('early 2').waitFor();
  await live();
  await sendMany(url, 200, { body: (n) => `late ${n}` });
  await row('late 199').waitFor();
  await until('all are counted', async () => (await shown()) === 203);
  assert.equal(await page.locator('.records').evaluate((list) => list.scrollTop + list.clientHeight >= list.scrollHeight - 2), true);
});

test('scrolled up, the list stays where it is and counts what is new', async () => {
  await sendMany(url, 300, { body: (n) => `old ${n}`, start: Date.now() - 60_000 });
  await open();
  await row('old 299').waitFor();
  await live();
  await page.locator('.records').hover();
  await page.mouse.wheel(0, -1500);
  await page.locator('.list-foot .live', { hasText: 'not following' }).waitFor();
  const top = await page.locator('.records').evaluate((list) => list.scrollTop);
  await sendMany(url, 7, { body: (n) => `newer ${n}` });
  await page.locator('.fresh', { hasText: '7 new' }).waitFor();
  assert.equal(await page.locator('.records').evaluate((list) => list.scrollTop), top);
  await page.locator('.fresh').click();
  await row('newer 6').waitFor();
});

test('a filter narrows the list, and what arrives later passes it too', async () => {
  await sendMany(url, 40, { body: (n) => (n % 4 ? `dull ${n}` : `needle ${n}`), start: Date.now() - 5000 });
  await open();
  await row('dull 39').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('needle');
  await until('only the matches are left', async () => (await shown()) === 10);
  assert.equal(await row('dull').count(), 0);
  await live();
  await sendMany(url, 4, { body: (n) => (n === 3 ? 'a needle at last' : 'dull again') });
  await row('a needle at last').waitFor();
  assert.equal(await row('dull').count(), 0);
});

test('a wrong filter is marked at its place and leaves the list alone', async () => {
  await sendMany(url, 5, { body: (n) => `kept ${n}`, start: Date.now() - 5000 });
  await open();
  await row('kept 4').waitFor();
  await filter().fill('kept (level>=warn');
  await filter().press('Enter');
  await page.locator('.filter-error').waitFor();
  assert.equal(await filter().getAttribute('aria-invalid'), 'true');
  assert.notEqual((await page.locator('.filter-error').textContent()).length, 0);
  await page.locator('.filter-error mark').waitFor();
  assert.equal(await row('kept').count(), 5);
  await sendMany(url, 1, { body: () => 'kept and live' });
  await row('kept and live').waitFor();
});

test('the filter box completes keys and values from what is there', async () => {
  await sendPurchase(url, Date.now() - 1000);
  await open();
  await row('request started').waitFor();
  await filter().click();
  await filter().pressSequentially('payment');
  await filter().fill('');
  await filter().pressSequentially('servi');
  await page.locator('.choices li:first-child', { hasText: /^service\s*builtin/ }).waitFor();
  await page.keyboard.press('Tab');
  await page.locator('.choices li', { hasText: 'payments' }).waitFor();
  await page.keyboard.press('ArrowDown');
  const active = await page.locator('.choices li[aria-selected=true] .choice').textContent();
  await page.keyboard.press('Enter');
  await until('the choice is in the box', async () => (await filter().inputValue()).trim().endsWith(active));
  await until('the list shows that service alone', async () => {
    const services = await page.locator('.records .service').allTextContents();
    return services.length > 0 && services.every((name) => name === active);
  });
});

test('a choice that came before the rest of the word was typed takes the whole word', async () => {
  await sendPurchase(url, Date.now() - 1000);
  await open();
  await row('request started').waitFor();
  // What is asked after the first letters is never answered.
  await page.route(/\/api\/fields\?prefix=ser/, () => {});
  await filter().pressSequentially('se');
  await page.locator('.choices li', { hasText: /^service\s*builtin/ }).waitFor();
  await filter().pressSequentially('rvi');
  await page.locator('.choices li', { hasText: /^severity/ }).waitFor({ state: 'detached' });
  await page.locator('.choices li:first-child', { hasText: /^service\s*builtin/ }).waitFor();
  await page.keyboard.press('Tab');
  await until('the word is complete', async () => (await filter().inputValue()) === 'service:');
});

test('a level button shows that level and above', async () => {
  await sendPurchase(url, Date.now() - 5000, { fails: true });
  await open();
  await row('charging card').waitFor();
  await page.locator('.level-button.error').click();
  await row('charging card').waitFor({ state: 'detached' });
  assert.equal(await filter().inputValue(), 'level>=error');
  await until('only errors', async () => (await rows().count()) === (await page.locator('.records .row.error').count()) && (await rows().count()) === 2);
  await page.locator('.level-button.error').click();
  await row('charging card').waitFor();
});

test('pause holds what arrives and resume catches up', async () => {
  await sendMany(url, 2, { body: (n) => `before ${n}`, start: Date.now() - 5000 });
  await open();
  await row('before 1').waitFor();
  await live();
  await page.locator('.pause').click();
  await sendMany(url, 30, { body: (n) => `meanwhile ${n}` });
  await page.locator('#held', { hasText: '30 new' }).waitFor();
  assert.equal(await row('meanwhile').count(), 0);
  assert.equal(await shown(), 2);
  await page.keyboard.press('p');
  await row('meanwhile 29').waitFor();
  await until('nothing is missing', async () => (await shown()) === 32);
});

test('a trace opens from its record with the records inside their spans', async () => {
  const trace = await sendPurchase(url, Date.now() - 5000, { fails: true });
  await open();
  await row('payment refused by issuer').click();
  await panel().waitFor();
  await panel().locator('a', { hasText: 'Open trace' }).click();
  await page.locator('.trace-head h1', { hasText: 'POST /checkout' }).waitFor();
  assert.match(page.url(), new RegExp(`#/trace/${trace}`));
  const lines = await page.locator('.waterfall .virtual [role=row]').evaluateAll((all) => all.map((line) => ({ level: Number(line.getAttribute('aria-level')), text: line.textContent, record: line.classList.contains('record') })));
  const at = lines.findIndex((line) => line.text.includes('charge card'));
  const end = lines.findIndex((line, n) => n > at && line.level <= lines[at].level);
  const inside = lines.slice(at + 1, end).filter((line) => line.record && line.level === lines[at].level + 1).map((line) => line.text);
  assert.equal(inside.length, 5, JSON.stringify(lines, null, 1));
  assert.ok(inside.some((text) => text.includes('payment refused by issuer')));
  // The record that led here is the one that is open.
  assert.match(await panel().textContent(), /payment refused by issuer/);
  await page.locator('.row.span', { hasText: 'charge card' }).click();
  await panel().locator('text=refused by issuer').first().waitFor();
  assert.match(await panel().textContent(), /exception\.stacktrace/);
});

test('an orphan is marked in the list, in the audit and in its trace', async () => {
  const trace = await sendPurchase(url, Date.now() - 300_000, { orphan: true });
  await open();
  await row('never exported').waitFor();
  // Where the collector counts from the receipt it takes a minute.
  await until('the mark', async () => (await row('never exported').locator('.mark.orphaned').count()) === 1, 90_000);
  await page.locator('#audit', { hasText: '1 orphaned' }).waitFor();
  await page.locator('#audit').click();
  await page.locator('.audit .orphans a', { hasText: 'never exported' }).click();
  await page.locator('.panel .link-state.orphaned').waitFor();
  await page.goto(`${url}/#/trace/${trace}`);
  await page.locator('.row.span[data-state=missing]', { hasText: 'missing span' }).waitFor();
  await page.locator('.row.record[data-link=orphaned]', { hasText: 'never exported' }).waitFor();
  assert.equal(await page.locator('.facts', { hasText: '1 orphaned record' }).count(), 1);
});

test('an open span is marked, holds its records, and a span-log is a record', async () => {
  const trace = await sendPurchase(url, Date.now() - 5000, { open: true });
  await open(`#/trace/${trace}`);
  await page.locator('.row.span[data-state=pending]', { hasText: 'fulfil order' }).waitFor();
  await page.locator('.row.record', { hasText: 'picking started' }).waitFor();
  await page.locator('.row.record', { hasText: 'picked item' }).waitFor();
  await page.locator('.row.span[data-state=missing]').waitFor();
  assert.equal(await page.locator('.row.span', { hasText: 'picked item' }).count(), 0);
});

test('text from records is only ever text', async () => {
  await sendLogs(url, strange(Date.now() - 5000));
  await sendLogs(url, new Map([['<img src=x onerror=alert(1)>\n<script>alert(2)</script>', [{ timeUnixNano: `${Date.now()}000000`, body: { stringValue: 'odd names' }, traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }]]]));
  await open();
  const title = await page.title();
  await row('<script>document.title="owned"</script>').click();
  await panel().locator('text=<b>bold</b>').waitFor();
  await row('odd names').click();
  await panel().waitFor();
  await filter().click();
  await filter().pressSequentially('"><svg');
  await page.goto(`${url}/#/trace/${'ab'.repeat(16)}`);
  await page.locator('.row.record', { hasText: 'odd names' }).waitFor();
  await page.goto(`${url}/#/logs`);
  await row('odd names').waitFor();
  assert.equal(await page.locator('#app img, #app script, #app iframe, #app b:text("bold")').count(), 0);
  assert.equal(await page.title(), title);
  // What turns text round or hides it is shown as a sign.
  assert.match(await row('right to left').textContent(), /⟨U\+202E⟩/);
});

test('a hundred thousand records are a few dozen elements', async () => {
  await open();
  await live();
  await sendMany(url, 100_000, { body: (n) => `flood ${n}`, start: Date.now() - 2000, size: 1000 });
  await until('all have arrived', async () => (await shown()) === 100_000, 120_000);
  const list = page.locator('.records');
  const most = async () => Number(await rows().count());
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    await list.evaluate((list, part) => { list.scrollTop = part * (list.scrollHeight - list.clientHeight); }, part);
    const number = Math.round(part * 99_999);
    await until(`rows near ${number}`, async () => {
      const found = await page.locator('.records .body').allTextContents();
      return found.some((text) => Math.abs(Number(text.replace('flood ', '')) - number) < 60);
    });
    assert.ok((await most()) <= 80, `${await most()} rows at ${part}`);
    assert.ok((await page.evaluate(() => document.querySelectorAll('*').length)) < 3000);
  }
});

test('older records come page by page when one scrolls up', async () => {
  await sendMany(url, 2600, { body: (n) => `page ${n}`, start: Date.now() - 60_000 });
  await open();
  await row('page 2599').waitFor();
  assert.ok((await shown()) < 2600);
  await page.locator('.records').hover();
  await until('the first is there', async () => {
    await page.mouse.wheel(0, -20_000);
    return (await row(/page 0 /).count()) === 1 || (await page.locator('.records .body', { hasText: /^page 0$/ }).count()) === 1;
  });
  await until('each once', async () => (await shown()) === 2600);
});

test('records that the collector no longer had are a row that says so', async () => {
  await sendMany(url, 2, { body: (n) => `seen ${n}`, start: Date.now() - 60_000 });
  const last = (await (await fetch(`${url}/api/logs?limit=1`)).json()).items[0];
  const next = { ...last, seq: last.seq + 8, record: { ...last.record, timeUnixNano: `${Date.now() - 1000}000000`, body: { stringValue: 'after the gap' } } };
  let first = true;
  await page.route('**/api/logs/stream**', (route) => {
    if (!first) return route.continue();
    first = false;
    return route.fulfill({ contentType: 'text/event-stream', body: `event: lagged\ndata: {"missed":7,"firstMissed":${last.seq + 1},"nextSeq":${next.seq}}\n\nevent: log\nid: ${next.seq}\ndata: ${JSON.stringify(next)}\n\n` });
  });
  await open();
  await row('after the gap').waitFor();
  const texts = await rows().allTextContents();
  assert.match(texts.at(-2), /^7 records missed here/);
  assert.match(texts.at(-1), /after the gap/);
});

test('a lost connection is said, and a collector started anew is shown anew', async () => {
  await sendMany(url, 2, { body: (n) => `first run ${n}`, start: Date.now() - 5000 });
  await open();
  await row('first run 1').waitFor();
  await live();
  const port = Number(new URL(url).port);
  await collector.stop();
  await page.locator('.lost[role=alert]').waitFor();
  assert.equal(await row('first run').count(), 2);
  collector = await serve({ port });
  assert.equal(collector.url, url);
  await page.locator('.lost[role=alert]').waitFor({ state: 'detached' });
  await sendMany(url, 1, { body: () => 'second run' });
  await row('second run').waitFor();
  await until('the earlier run is gone', async () => (await row('first run').count()) === 0);
});

test('the keyboard does it all', async () => {
  await sendPurchase(url, Date.now() - 5000);
  await open();
  await row('request finished').waitFor();
  await page.keyboard.press('k');
  await until('the last record is chosen', async () => /request finished/.test(await page.locator('.records [aria-selected=true]').textContent()));
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await panel().waitFor();
  const first = await panel().getAttribute('aria-label');
  await page.keyboard.press('k');
  await until('the panel follows', async () => (await panel().getAttribute('aria-label')) !== first);
  await page.keyboard.press('Escape');
  await panel().waitFor({ state: 'detached' });
  await page.keyboard.press('?');
  await page.locator('dialog.help[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog.help[open]').waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.locator('.trace-row[data-trace]').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.trace-head h1', { hasText: 'POST /checkout' }).waitFor();
  await page.locator('.row.record').first().waitFor();
  const open_ = await page.locator('.waterfall .virtual [role=row]').count();
  await page.keyboard.press('j');
  await page.keyboard.press('ArrowLeft');
  await until('the root is folded', async () => (await page.locator('.waterfall .virtual [role=row]').count()) < open_);
  await page.keyboard.press('ArrowRight');
  await until('and unfolded', async () => (await page.locator('.waterfall .virtual [role=row]').count()) === open_);
  await page.keyboard.press('s');
  await page.locator('.row.record').first().waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await page.locator('.trace-row[data-trace]').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await row('request finished').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('nothing like this');
  await page.locator('.empty', { hasText: 'No record matches' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await filter().evaluate((box) => box === document.activeElement), false);
});

test('a permalink restores filter, range, record and trace', async () => {
  const trace = await sendPurchase(url, Date.now() - 5000, { fails: true });
  await open();
  await filter().fill('level>=warn service=payments');
  await filter().press('Enter');
  await row('charging card').waitFor({ state: 'detached' });
  await page.locator('.range summary').click();
  await page.locator('.range .presets button', { hasText: 'last 15 minutes' }).click();
  await row('attempt 2 failed').click();
  await panel().locator('text=attempt 2 failed').waitFor();
  const there = page.url();
  page = await fresh();
  await page.goto(there);
  await panel().locator('.record-body', { hasText: 'attempt 2 failed' }).waitFor();
  assert.equal(await filter().inputValue(), 'level>=warn service=payments');
  assert.match(await page.locator('.range summary').textContent(), /last 15 minutes/);
  await until('the same list', async () => (await rows().count()) === 4);
  await panel().locator('a', { hasText: 'Open trace' }).click();
  await page.locator('.row.span', { hasText: 'INSERT ledger' }).click();
  await panel().locator('text=db.query.text').waitFor();
  const inTrace = page.url();
  page = await fresh();
  await page.goto(inTrace);
  await panel().locator('text=db.query.text').waitFor();
  assert.equal(await page.locator('.row.span[aria-selected=true]', { hasText: 'INSERT ledger' }).count(), 1);
  // Back is back.
  await page.goto(`${url}/#/trace/${trace}`);
  await page.locator('.row.span', { hasText: 'price.total' }).click();
  await panel().waitFor();
  await page.goBack();
  await panel().waitFor({ state: 'detached' });
});

test('a record is copied as an export request that the collector takes, types and all', async () => {
  await sendPurchase(url, Date.now() - 5000, { fails: true });
  await open();
  await row('payment refused by issuer').click();
  const text = await panel().textContent();
  for (const part of ['map 3', 'array 3', 'bytes', 'double', '4242']) assert.ok(text.includes(part), `${part} in ${text}`);
  await panel().locator('button', { hasText: 'Copy as OTLP JSON' }).click();
  await page.locator('.notice[data-on=true]').waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const before = (await (await fetch(`${url}/api/logs?q=body:refused`)).json()).items;
  assert.equal(await post(url, '/v1/logs', copied), 200);
  const now = (await (await fetch(`${url}/api/logs?q=body:refused`)).json()).items;
  assert.equal(now.length, before.length + 1);
  const newest = now.reduce((a, b) => (a.seq > b.seq ? a : b));
  assert.deepEqual(newest.record, before[0].record);
  assert.deepEqual(newest.resource.attributes, before[0].resource.attributes);
});

test('a click on a value adds it to the filter or excludes it', async () => {
  await sendPurchase(url, Date.now() - 5000, { fails: true });
  await open();
  await row('attempt 2 failed').click();
  const attempt = panel().locator('.entry', { hasText: 'attempt' }).first();
  await attempt.hover();
  await attempt.locator('button[aria-label="Add attempt to the filter"]').click();
  await until('one is left', async () => (await rows().count()) === 1);
  assert.equal(await filter().inputValue(), 'attempt=2');
  await filter().fill('');
  await filter().press('Enter');
  await row('attempt 2 failed').click();
  await attempt.hover();
  await attempt.locator('button[aria-label="Exclude this attempt"]').click();
  await row('attempt 2 failed').waitFor({ state: 'detached' });
  assert.equal(await filter().inputValue(), '-attempt=2');
  await row('attempt 1 failed').waitFor();
});

test('metrics have charts, rejected requests their reason and body', async () => {
  for (let n = 20; n > 0; n -= 1) await sendMetrics(url, Date.now() - n * 1000, Date.now() - 60_000);
  assert.ok((await post(url, '/v1/logs', '{"resourceLogs": <nonsense>')) >= 400);
  await open('#/metrics');
  await page.locator('.card').nth(4).waitFor();
  await page.locator('.card', { hasText: 'process.memory.usage' }).locator('polyline').waitFor();
  assert.ok((await page.locator('.card', { hasText: 'http.server.request.duration' }).locator('rect.bucket').count()) === 8);
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.locator('.rejects tbody tr').first().click();
  await panel().locator('pre', { hasText: '<nonsense>' }).waitFor();
});

test('what is sent on is told, and what waits for a destination that is away', { skip: !realThing && 'the stand-in does not forward' }, async () => {
  const badge = page.locator('details.forward');
  await open();
  await page.locator('#audit').waitFor();
  assert.equal(await badge.count(), 0);
  let behind = await serve();
  await collector.stop();
  collector = await serve({ args: ['--forward', behind.url] });
  ({ url } = collector);
  try {
    await sendMany(url, 3, { body: (n) => `sent on ${n}` });
    await open();
    await badge.locator('summary', { hasText: /^forwarding$/ }).waitFor();
    await badge.locator('summary').click();
    await badge.locator('li', { hasText: '3 of 3 records delivered' }).waitFor();
    assert.ok((await badge.locator('.popover').textContent()).includes(behind.url));
    await behind.stop();
    behind = null;
    await sendMany(url, 2, { body: (n) => `waits ${n}` });
    await badge.locator('summary', { hasText: '2 waiting' }).waitFor();
    await badge.locator('li', { hasText: '2 wait in memory' }).waitFor();
    await page.screenshot({ path: join(screenshots, 'forward.png') });
  } finally {
    await behind?.stop();
  }
});

test('the colours follow the system and the switch', async () => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await open();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await ground();
  assert.notEqual(dark, light);
  await page.locator('button[aria-label^="Colours: auto"]').click();
  await page.locator('button[aria-label^="Colours: light"]').click();
  assert.equal(await ground(), dark);
  await page.reload();
  await page.locator('header.top').waitFor();
  assert.equal(await ground(), dark);
  await page.evaluate(() => localStorage.clear());
});

test('screenshots for review', async () => {
  await demo(url, { records: 20_000 });
  const latest = async (q) => (await (await fetch(`${url}/api/logs?q=${encodeURIComponent(q)}&limit=1`)).json()).items[0];
  const refused = await latest('body:refused');
  const traces = (await (await fetch(`${url}/api/traces?limit=60`)).json()).items;
  const failed = traces.find((trace) => trace.errors > 0).traceId;
  const pending = traces.find((trace) => trace.pending > 0).traceId;
  const views = {
    logs: '#/logs',
    record: `#/logs?q=level>=warn&record=${refused.seq}`,
    traces: '#/traces',
    trace: `#/trace/${failed}`,
    pending: `#/trace/${pending}`,
    metrics: '#/metrics',
    rejected: '#/rejected?item=1',
  };
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const [name, hash] of Object.entries(views)) {
      await page.goto('about:blank');
      await open(hash);
      await page.locator('.row, .card, .rejects').first().waitFor();
      await page.locator('#audit').waitFor();
      if (name === 'logs') await page.locator('.histogram .bar').first().waitFor();
      if (name === 'record' || name === 'rejected') await panel().waitFor();
      await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`) });
    }
  }
});

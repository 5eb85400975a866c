// Requests that the collector refused, with the reason and what they carried.
import { useEffect, useState } from 'preact/hooks';
import { every, get, open, run } from '../lib/api';
import { setKeys } from '../lib/keys';
import { hexDump } from '../lib/otlp';
import { go, route } from '../lib/route';
import { ago, bytes, count } from '../lib/time';
import type { Rejected } from '../lib/types';
import { block, oneLine } from '../lib/visible';
import { Empty } from '../ui/empty';
import { Panel, Section } from '../ui/panel';

export function RejectedView() {
  const { item: chosen } = route.value;
  const [items, setItems] = useState<Rejected[] | null>(null);
  useEffect(() => every(4000, async () => setItems((await get<{ items: Rejected[] }>('/api/rejected')).items)), [run.value]);
  const at = (items ?? []).findIndex((item) => String(item.id) === chosen);
  const show = (index: number) => {
    const item = items?.[Math.max(0, Math.min(items.length - 1, index))];
    if (item) go({ item: String(item.id) }, chosen ? 'replace' : 'push');
  };
  setKeys({
    j: () => show(at + 1),
    k: () => show(at < 0 ? 0 : at - 1),
    ArrowDown: () => show(at + 1),
    ArrowUp: () => show(at < 0 ? 0 : at - 1),
    Escape: () => go({ item: '' }),
  });
  const shown = items?.[at];
  return (
    <div class="view rejected">
      <div class="split">
        <div class="main scroll" tabIndex={0} role="region" aria-label="Rejected requests">
          {items?.length === 0 && <Empty title="Nothing was rejected"><p>A request that cannot be read, is too large or is not OTLP is kept here with the reason, so that a sender's mistake is seen.</p></Empty>}
          {items && items.length > 0 && (
            <table class="rejects">
              <thead><tr><th>when</th><th>status</th><th>signal</th><th>protocol</th><th>size</th><th>reason</th></tr></thead>
              <tbody>
                {items.map((item) => (
                  <tr key={item.id} aria-selected={String(item.id) === chosen} onClick={() => go({ item: String(item.id) })}>
                    <td class="mono">{ago(Date.parse(item.at))}</td>
                    <td><span class="chip error">{item.status}</span></td>
                    <td>{item.signal}</td>
                    <td>{item.protocol}</td>
                    <td class="mono">{bytes(item.bytes)}</td>
                    <td><button class="plain link">{oneLine(item.reason, 240)}</button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
        {shown && <RejectedPanel item={shown} />}
      </div>
    </div>
  );
}

function RejectedPanel({ item }: { item: Rejected }) {
  const [body, setBody] = useState<{ id: number; text: string; size: number } | null>(null);
  const path = `/api/rejected/${item.id}/body`;
  useEffect(() => {
    const abort = new AbortController();
    void open(path, {}, abort.signal).then(async (response) => {
      const buffer = new Uint8Array(await response.arrayBuffer());
      setBody({ id: item.id, text: readable(buffer), size: buffer.length });
    }).catch((error) => { if (!abort.signal.aborted) setBody({ id: item.id, text: `the body could not be read: ${error.message}`, size: 0 }); });
    return () => abort.abort();
  }, [item.id]);
  return (
    <Panel
      label={`Rejected request ${item.id}`}
      title={<><span class="chip error">{item.status}</span><span>{item.signal}, {item.protocol}</span></>}
      tools={<a class="button" href={path} download={`rejected-${item.id}`}>Download the body</a>}
      onClose={() => go({ item: '' })}
    >
      <p class="reason">{block(item.reason)}</p>
      <Section title="Headers">
        <dl class="attributes">
          {Object.entries(item.headers).map(([name, value]) => <div class="entry" key={name}><dt>{name}</dt><dd><span class="text">{block(value)}</span></dd></div>)}
        </dl>
      </Section>
      <Section title="Body">
        <p class="dim">{bytes(item.bytes)}{body && body.id === item.id && body.size !== item.bytes ? `, ${count(body.size)} bytes of it kept` : ''}</p>
        {body?.id === item.id && <pre class="json">{body.text}</pre>}
      </Section>
    </Panel>
  );
}

function readable(buffer: Uint8Array): string {
  try {
    return block(new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, 64 * 1024)));
  } catch {
    return hexDump(buffer, 16 * 1024);
  }
}

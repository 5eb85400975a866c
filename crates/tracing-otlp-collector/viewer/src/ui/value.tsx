// Attributes with their types: nested values as trees, bytes as a dump, long texts by halves.
import { useState } from 'preact/hooks';
import { bytesOf, byteLength, hexDump, inline, kindOf, plain } from '../lib/otlp';
import { copy } from '../lib/page';
import { bytes, count } from '../lib/time';
import type { AnyValue, KeyValue } from '../lib/types';
import { block } from '../lib/visible';
import { Icon } from './icons';

export type AddTerm = (key: string, value: string, exclude: boolean) => void;

export function Attributes({ items, prefix, onTerm, dropped }: { items: KeyValue[] | undefined; prefix?: string; onTerm?: AddTerm | undefined; dropped?: number | undefined }) {
  const list = items ?? [];
  return (
    <>
      {list.length > 0 && (
        <dl class="attributes">
          {list.map((item, n) => (
            <Entry key={`${item.key}${n}`} name={item.key} value={item.value} path={prefix ? `${prefix}.${item.key}` : item.key} onTerm={onTerm} depth={0} />
          ))}
        </dl>
      )}
      {list.length === 0 && !dropped && <p class="none">none</p>}
      {dropped ? <p class="warning">{count(dropped)} more were dropped by the sender</p> : null}
    </>
  );
}

function Entry({ name, value, path, onTerm, depth }: { name: string; value: AnyValue | undefined; path: string; onTerm?: AddTerm | undefined; depth: number }) {
  const kind = kindOf(value);
  const children = kind === 'map' ? value!.kvlistValue!.values ?? [] : kind === 'array' ? (value!.arrayValue!.values ?? []).map((value, n) => ({ key: String(n), value })) : null;
  const [open, setOpen] = useState(depth < 2 && (children?.length ?? 0) <= 30);
  const scalar = !children && kind !== 'bytes' && kind !== 'empty';
  return (
    <div class={`entry ${children ? 'nest' : ''}`}>
      <dt>
        {children ? (
          <button class="plain twist" aria-expanded={open} onClick={() => setOpen(!open)}><Icon name={open ? 'down' : 'right'} />{block(name)}</button>
        ) : block(name) || '""'}
        <span class={`type ${kind}`}>{children ? `${kind} ${children.length}` : kind}</span>
      </dt>
      <dd>
        {children ? !open && <span class="dim text">{inline(value, 120)}</span> : <Scalar value={value} />}
        <span class="actions">
          {scalar && onTerm && (
            <>
              <button class="plain" title={`Filter for ${name}`} aria-label={`Add ${name} to the filter`} onClick={() => onTerm(path, plain(value), false)}><Icon name="plus" /></button>
              <button class="plain" title={`Filter out ${name}`} aria-label={`Exclude this ${name}`} onClick={() => onTerm(path, plain(value), true)}><Icon name="minus" /></button>
            </>
          )}
          <button class="plain" title="Copy the value" aria-label={`Copy ${name}`} onClick={() => copy(plain(value), name)}><Icon name="copy" /></button>
        </span>
      </dd>
      {children && open && (
        <div class="children">
          {children.slice(0, MOST).map((item, n) => (
            <Entry key={n} name={item.key} value={item.value} path={`${path}.${item.key}`} onTerm={kind === 'map' ? onTerm : undefined} depth={depth + 1} />
          ))}
          {children.length === 0 && <span class="none">empty</span>}
          {children.length > MOST && <span class="dim">{count(children.length - MOST)} more; copy to see them</span>}
        </div>
      )}
    </div>
  );
}

export function Scalar({ value }: { value: AnyValue | undefined }) {
  const kind = kindOf(value);
  if (kind === 'empty') return <span class="none">empty</span>;
  if (kind === 'bytes') {
    const base64 = value!.bytesValue!;
    return <div class="dump"><span class="dim">{bytes(byteLength(base64))}</span><pre>{hexDump(bytesOf(base64.slice(0, 8192)), 512)}</pre></div>;
  }
  return <Text text={kind === 'text' ? value!.stringValue! : inline(value)} kind={kind} />;
}

/** Text of any length: what is long is shown in part until asked for. */
export function Text({ text, kind }: { text: string; kind: string }) {
  const [all, setAll] = useState(LONG);
  if (text === '') return <span class="none">empty text</span>;
  return (
    <>
      <span class={`text ${kind}`}>{block(text.slice(0, all))}</span>
      {text.length > all && (
        <button class="more" onClick={() => setAll(all * 20)}>
          {count(all)} of {count(text.length)} characters — show more
        </button>
      )}
    </>
  );
}

const LONG = 2_000;
const MOST = 500;

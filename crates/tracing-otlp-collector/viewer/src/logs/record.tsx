// One record in full: what it says, how it is linked, and every value with its type.
import { useState } from 'preact/hooks';
import { and, term } from '../lib/filter';
import { exportRequest, levelOf, plain, timeOf } from '../lib/otlp';
import { copy, hue } from '../lib/page';
import { go, link, route } from '../lib/route';
import { ago, clock, duration, full, isToday, millis, minus } from '../lib/time';
import type { LogItem } from '../lib/types';
import { block } from '../lib/visible';
import { Icon } from '../ui/icons';
import { Panel, Section } from '../ui/panel';
import { Attributes, Scalar, Text, type AddTerm } from '../ui/value';
import { kindOf } from '../lib/otlp';

const builtin = new Set(['level', 'service', 'scope', 'body', 'event', 'trace', 'span', 'link', 'seq', 'time', 'name', 'kind', 'status', 'duration', 'has']);

/** Adds a condition to the filter of the log list. */
export const addTerm: AddTerm = (key, value, exclude) => {
  const name = builtin.has(key) ? `attr.${key}` : key;
  change(term(name, value, exclude));
};

function change(condition: string) {
  const { view, q, from, to } = route.value;
  if (view === 'logs' || view === 'traces') go({ q: and(q, condition) });
  else go({ view: 'logs', trace: '', item: '', q: condition, from, to });
}

export function RecordPanel({ item, onClose }: { item: LogItem; onClose: () => void }) {
  const [json, setJson] = useState(false);
  const { record, resource, scope } = item;
  const level = levelOf(record.severityNumber);
  const time = timeOf(item);
  return (
    <Panel
      label={`Record ${item.seq}`}
      onClose={onClose}
      title={
        <>
          <span class={`badge ${level}`}>{record.severityText || level}{record.severityNumber ? <span class="dim"> {record.severityNumber}</span> : null}</span>
          <span class="service" data-hue={hue(item.service ?? '')}>{item.service || 'no service name'}</span>
          <span class="dim">{isToday(time) ? clock(time) : clock(time, false)}</span>
          {item.fromSpan && <span class="badge" title="Sent as a span of no length, Logfire's way; shown as the record it is">span log</span>}
        </>
      }
      tools={
        <>
          <button class="button" onClick={() => copy(exportRequest(item), 'the record as an OTLP/JSON export request')}><Icon name="copy" />Copy as OTLP JSON</button>
          <button class="button" aria-pressed={json} onClick={() => setJson(!json)}>{'{ }'} JSON</button>
          <button class="button" title="What happened around it, without the filter" onClick={() => around(item)}>Around it</button>
          <button class="button" onClick={() => copy(location.href, 'the link to this record')}><Icon name="link" />Link</button>
        </>
      }
    >
      {json ? <pre class="json">{block(exportRequest(item).slice(0, 200_000))}</pre> : (
        <>
          <div class="record-body">
            {record.eventName && <p class="event">{block(record.eventName)}</p>}
            {['map', 'array', 'bytes'].includes(kindOf(record.body))
              ? <Attributes items={[{ key: 'body', ...(record.body ? { value: record.body } : {}) }]} />
              : record.body ? <p class="body"><Text text={plain(record.body)} kind="text" /></p> : !record.eventName && <p class="none">no body</p>}
          </div>
          <LinkState item={item} />
          <Section title="Attributes" count={record.attributes?.length}>
            <Attributes items={record.attributes} onTerm={addTerm} dropped={record.droppedAttributesCount} />
          </Section>
          <Section title="Record">
            <dl class="attributes">
              <Plain name="time" value={full(record.timeUnixNano ?? '')} hint={record.timeUnixNano ? ago(millis(record.timeUnixNano)) : ''} />
              <Plain name="observed" value={full(record.observedTimeUnixNano ?? '')} hint={later(record.observedTimeUnixNano, record.timeUnixNano)} />
              <Plain name="received" value={item.receivedAt} hint="" />
              <Plain name="severity" value={`${record.severityNumber ?? 0} ${record.severityText ?? ''}`} hint={level} onAdd={(exclude) => change(`${exclude ? '-' : ''}level=${level}`)} />
              {record.eventName && <Plain name="event" value={record.eventName} hint="" onAdd={(exclude) => change(term('event', record.eventName!, exclude))} />}
              {record.traceId && <Plain name="trace" value={record.traceId} hint="" onAdd={(exclude) => change(term('trace', record.traceId!, exclude))} />}
              {record.spanId && <Plain name="span" value={record.spanId} hint="" onAdd={(exclude) => change(term('span', record.spanId!, exclude))} />}
              <Plain name="flags" value={String(record.flags ?? 0)} hint={(record.flags ?? 0) & 1 ? 'sampled' : 'not sampled'} />
              <Plain name="seq" value={String(item.seq)} hint="order of arrival" />
            </dl>
          </Section>
          <Origin item={item} resource={resource} scope={scope} />
        </>
      )}
    </Panel>
  );
}

export function Origin({ item, resource, scope }: Pick<LogItem, 'resource' | 'scope'> & { item: { service?: string } }) {
  return (
    <>
      <Section title="Resource" count={resource.attributes?.length}>
        <Attributes items={resource.attributes} dropped={resource.droppedAttributesCount}
          onTerm={(key, value, exclude) => change(key === 'service.name' && value === item.service ? term('service', value, exclude) : term(`resource.${key}`, value, exclude))} />
        {resource.schemaUrl && <p class="dim">schema {resource.schemaUrl}</p>}
      </Section>
      <Section title="Scope" count={scope.attributes?.length}>
        <dl class="attributes">
          <Plain name="name" value={scope.name || ''} hint="" {...(scope.name ? { onAdd: (exclude: boolean) => change(term('scope', scope.name!, exclude)) } : {})} />
          {scope.version && <Plain name="version" value={scope.version} hint="" />}
        </dl>
        {scope.attributes?.length ? <Attributes items={scope.attributes} onTerm={(key, value, exclude) => change(term(`scope.${key}`, value, exclude))} /> : null}
        {scope.schemaUrl && <p class="dim">schema {scope.schemaUrl}</p>}
      </Section>
    </>
  );
}

function LinkState({ item }: { item: LogItem }) {
  const { traceId, spanId } = item.record;
  const to = link({ view: 'trace', trace: traceId ?? '', item: spanId ?? '', record: String(item.seq) });
  const text = {
    linked: 'Linked: its span is here.',
    pending: 'Pending: its span has not arrived yet. A span is sent when it ends; it may still be open.',
    orphaned: 'Orphaned: it names a span that never arrived. The span was not sampled, was lost, or goes to another place.',
    unlinked: traceId ? 'Unlinked: it names a trace but no span.' : 'Unlinked: it was not logged inside a span.',
  }[item.link];
  return (
    <div class={`link-state ${item.link}`}>
      <Icon name={item.link === 'orphaned' ? 'orphan' : item.link === 'pending' ? 'pending' : 'link'} />
      <span>{text}</span>
      {traceId && <a class="button" href={to}>Open trace <span class="mono">{traceId.slice(0, 8)}</span></a>}
    </div>
  );
}

export function Plain({ name, value, hint, onAdd }: { name: string; value: string; hint: string; onAdd?: (exclude: boolean) => void }) {
  return (
    <div class="entry">
      <dt>{name}</dt>
      <dd>
        <Scalar value={{ stringValue: value }} />{hint && <span class="dim hint">{hint}</span>}
        <span class="actions">
          {onAdd && (
            <>
              <button class="plain" aria-label={`Add ${name} to the filter`} title={`Filter for ${name}`} onClick={() => onAdd(false)}><Icon name="plus" /></button>
              <button class="plain" aria-label={`Exclude this ${name}`} title={`Filter out ${name}`} onClick={() => onAdd(true)}><Icon name="minus" /></button>
            </>
          )}
          <button class="plain" aria-label={`Copy ${name}`} title="Copy the value" onClick={() => copy(value, name)}><Icon name="copy" /></button>
        </span>
      </dd>
    </div>
  );
}

function later(a: string | undefined, b: string | undefined): string {
  if (!a || !b || a === '0' || b === '0') return '';
  const difference = minus(a, b);
  return difference === 0 ? 'same' : difference > 0 ? `${duration(difference)} later` : `${duration(-difference)} earlier`;
}

function around(item: LogItem) {
  const time = BigInt(timeOf(item));
  go({ view: 'logs', q: '', from: String(time - 30_000_000_000n), to: String(time + 30_000_000_000n), record: `${item.seq}@${time}` });
}

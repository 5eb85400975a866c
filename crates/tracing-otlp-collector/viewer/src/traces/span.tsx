// One span in full.
import { copy, hue } from '../lib/page';
import { levelOf } from '../lib/otlp';
import { link } from '../lib/route';
import { count, duration, full, minus } from '../lib/time';
import type { LogItem } from '../lib/types';
import { block } from '../lib/visible';
import { addTerm, Origin, Plain } from '../logs/record';
import { Message } from '../logs/row';
import { Icon } from '../ui/icons';
import { Panel, Section } from '../ui/panel';
import { Attributes } from '../ui/value';
import type { Node } from './tree';

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const states = ['unset', 'ok', 'error'];

export function SpanPanel({ node, origin, onClose, onLog }: { node: Node; origin: bigint; onClose: () => void; onLog: (item: LogItem) => void }) {
  const { item } = node;
  const logs = node.logs.length > 0 && (
    <Section title="Records inside" count={node.logs.length}>
      <ul class="inside">
        {node.logs.slice(0, 100).map((log) => (
          <li key={log.seq}><button class="plain wide" onClick={() => onLog(log)}><span class={`level-dot ${levelOf(log.record.severityNumber)}`} /><span class="message"><Message item={log} /></span></button></li>
        ))}
      </ul>
      {node.logs.length > 100 && <p class="dim">{count(node.logs.length - 100)} more in the waterfall</p>}
    </Section>
  );
  if (!item) {
    return (
      <Panel label={`Missing span ${node.id}`} title={<span>Missing span <span class="mono">{node.id}</span></span>} onClose={onClose}>
        <div class="link-state orphaned">
          <Icon name="orphan" />
          <span>{count(node.children.length)} span{node.children.length === 1 ? '' : 's'} and {count(node.logs.length)} record{node.logs.length === 1 ? '' : 's'} refer to this span, and it is not here: it is still open, was not sampled, was lost on its way, or has made room for newer ones.</span>
        </div>
        {logs}
      </Panel>
    );
  }
  const { span } = item;
  const pending = item.state === 'pending';
  return (
    <Panel
      label={`Span ${span.spanId}`}
      onClose={onClose}
      title={<><span class="dot" data-hue={hue(item.service ?? '')} /><span>{block(span.name)}</span><span class="dim">{pending ? 'still open' : duration(node.end - node.start)}</span></>}
      tools={
        <>
          <button class="button" onClick={() => copy(JSON.stringify({ resourceSpans: [{ resource: item.resource, scopeSpans: [{ scope: item.scope, spans: [span] }] }] }, null, 2), 'the span as an OTLP/JSON export request')}><Icon name="copy" />Copy as OTLP JSON</button>
          <a class="button" href={link({ view: 'logs', q: `span=${span.spanId}` })}>Its records</a>
          <button class="button" onClick={() => copy(location.href, 'the link to this span')}><Icon name="link" />Link</button>
        </>
      }
    >
      {pending && <div class="link-state pending"><Icon name="pending" /><span>Pending: its start was announced, its end has not arrived.</span></div>}
      {span.status?.code === 2 && <div class="link-state error"><Icon name="orphan" /><span>{span.status.message ? block(span.status.message) : 'The span failed.'}</span></div>}
      <Section title="Attributes" count={span.attributes?.length}>
        <Attributes items={span.attributes} onTerm={addTerm} dropped={span.droppedAttributesCount} />
      </Section>
      {logs}
      {span.events?.length || span.droppedEventsCount ? (
        <Section title="Events" count={span.events?.length}>
          {span.events?.map((event, n) => (
            <div key={n} class="part">
              <p><b>{block(event.name ?? '')}</b> <span class="dim mono">+{duration(Number(BigInt(event.timeUnixNano || '0') - origin))}</span></p>
              <Attributes items={event.attributes} onTerm={undefined} />
            </div>
          ))}
          {span.droppedEventsCount ? <p class="warning">{count(span.droppedEventsCount)} more were dropped by the sender</p> : null}
        </Section>
      ) : null}
      {span.links?.length ? (
        <Section title="Links" count={span.links.length}>
          {span.links.map((other, n) => (
            <div key={n} class="part">
              <p><a class="mono" href={link({ view: 'trace', trace: other.traceId ?? '', item: other.spanId ?? '' })}>{other.traceId} / {other.spanId}</a></p>
              {other.attributes?.length ? <Attributes items={other.attributes} onTerm={undefined} /> : null}
            </div>
          ))}
        </Section>
      ) : null}
      <Section title="Span">
        <dl class="attributes">
          <Plain name="name" value={span.name} hint="" />
          <Plain name="kind" value={kinds[span.kind ?? 0] ?? String(span.kind)} hint="" />
          <Plain name="status" value={states[span.status?.code ?? 0] ?? String(span.status?.code)} hint={span.status?.message ?? ''} />
          <Plain name="start" value={full(span.startTimeUnixNano ?? '')} hint={`+${duration(node.start)}`} />
          <Plain name="end" value={pending ? 'not ended' : full(span.endTimeUnixNano ?? '')} hint={pending ? '' : duration(minus(span.endTimeUnixNano, span.startTimeUnixNano))} />
          <Plain name="trace" value={span.traceId} hint="" />
          <Plain name="span" value={span.spanId} hint="" />
          <Plain name="parent" value={span.parentSpanId || 'none'} hint="" />
          {span.traceState && <Plain name="state" value={span.traceState} hint="" />}
          <Plain name="flags" value={String(span.flags ?? 0)} hint="" />
          <Plain name="received" value={item.receivedAt} hint={`seq ${item.seq}`} />
        </dl>
      </Section>
      <Origin item={item} resource={item.resource} scope={item.scope} />
    </Panel>
  );
}

// One record on one line.
import { inline, timeOf } from '../lib/otlp';
import { hue } from '../lib/page';
import { link } from '../lib/route';
import { clock, count, isToday } from '../lib/time';
import type { KeyValue, LogItem } from '../lib/types';
import { oneLine } from '../lib/visible';
import { Icon } from '../ui/icons';
import type { GapRow, LogRow } from './rows';

// Of the code, the thread and the sender rather than of the event: the panel has them.
const aside = /^(code|thread|logfire|telemetry|log\.source)[._]|^(busy_ns|idle_ns)$/;

type Props = { row: LogRow; index: number; selected: boolean; open: boolean; onOpen: (row: LogRow) => void };

export function LogLine({ row, index, selected, open, onOpen }: Props) {
  const { item, level } = row;
  const { record } = item;
  const time = timeOf(item);
  return (
    <div
      id={`row-${row.seq}`}
      role="row"
      aria-rowindex={index + 1}
      aria-selected={selected || open}
      class={`row log ${level}`}
      data-seq={row.seq}
      data-link={item.link}
      data-open={open}
      onClick={() => onOpen(row)}
    >
      <span role="gridcell" class="time">{isToday(time) ? clock(time) : clock(time, false)}</span>
      <span role="gridcell" class="level">{(record.severityText && record.severityText.length <= 5 ? record.severityText : level === 'unset' ? '—' : level).toUpperCase()}</span>
      <span role="gridcell" class="service" data-hue={hue(item.service ?? '')} title={item.service}>{item.service || '—'}</span>
      <span role="gridcell" class="scope" title={item.scope.name}>{oneLine(item.scope.name ?? '', 80)}</span>
      <span role="gridcell" class="message"><Message item={item} /></span>
      <span role="gridcell" class="marks"><LinkMark item={item} /></span>
    </div>
  );
}

export function Message({ item }: { item: LogItem }) {
  const { record } = item;
  const body = oneLine(inline(record.body));
  return (
    <>
      {record.eventName && record.eventName !== body && !record.eventName.startsWith('event ') && <span class="event">{oneLine(record.eventName, 60)}</span>}
      {body && <span class="body">{body}</span>}
      <Pairs items={record.attributes} />
    </>
  );
}

export function Pairs({ items }: { items: KeyValue[] | undefined }) {
  const list = (items ?? []).filter((pair) => !aside.test(pair.key));
  return (
    <>
      {list.slice(0, 12).map((pair, n) => (
        <span class="pair" key={n}><span class="key">{oneLine(pair.key, 60)}</span>={oneLine(inline(pair.value, 80), 90)}</span>
      ))}
      {list.length > 12 && <span class="pair">+{list.length - 12}</span>}
    </>
  );
}

function LinkMark({ item }: { item: LogItem }) {
  const { traceId, spanId } = item.record;
  if (!traceId) return null;
  const to = link({ view: 'trace', trace: traceId, item: spanId ?? '', record: String(item.seq) });
  const short = traceId.slice(0, 8);
  return (
    <a href={to} class={`mark ${item.link}`} title={linkTitle(item)} tabIndex={-1} onClick={(event) => event.stopPropagation()}>
      {item.link === 'orphaned' && <><Icon name="orphan" />orphan</>}
      {item.link === 'pending' && <Icon name="pending" />}
      <span class="trace-id" data-hue={hue(traceId)}>{short}</span>
    </a>
  );
}

export function linkTitle(item: LogItem): string {
  switch (item.link) {
    case 'linked': return `In the span ${item.record.spanId} of the trace ${item.record.traceId}`;
    case 'pending': return `Its span ${item.record.spanId} has not arrived yet: it may still be open`;
    case 'orphaned': return `Its span ${item.record.spanId} never arrived`;
    default: return 'In no span';
  }
}

export function GapLine({ row, index }: { row: GapRow; index: number }) {
  return (
    <div id={`row-${row.seq}`} role="row" aria-rowindex={index + 1} class="row gap">
      <span role="gridcell">{count(row.missed)} record{row.missed === 1 ? '' : 's'} missed here: the collector had let them go before this page came to them</span>
    </div>
  );
}

// The lines of the waterfall: name on the left, time on the right.
import { levelOf, timeOf } from '../lib/otlp';
import { hue } from '../lib/page';
import { count, duration } from '../lib/time';
import { oneLine } from '../lib/visible';
import { Message } from '../logs/row';
import { Icon } from '../ui/icons';
import type { Line, LogLine, SpanLine } from './tree';

export function Scale({ length }: { length: number }) {
  return (
    <div class="line scale-line" aria-hidden="true">
      <span class="name">span · record</span>
      <span class="timeline">
        {[0, 0.25, 0.5, 0.75, 1].map((part) => <span key={part} class="tick" style={{ left: `${part * 100}%` }}>{part ? duration(length * part) : '0'}</span>)}
      </span>
    </div>
  );
}

type Common = { index: number; length: number; selected: boolean; onOpen: (line: Line) => void };

export function SpanRow({ line, index, length, selected, onOpen, onFold, marks, origin }: Common & { line: SpanLine; onFold: (key: string, away: boolean) => void; marks: boolean; origin: bigint }) {
  const { node } = line;
  const { item } = node;
  const state = !item ? 'missing' : item.state === 'pending' ? 'pending' : node.errors ? 'error' : 'ended';
  const left = (node.start / length) * 100;
  const width = Math.max(0, ((node.end - node.start) / length) * 100);
  const service = item?.service ?? '';
  return (
    <div
      id={line.key}
      role="row"
      aria-level={line.depth + 1}
      aria-rowindex={index + 1}
      aria-expanded={line.nests ? line.open : undefined}
      aria-selected={selected}
      class={`row line span ${state}`}
      data-span={node.id}
      data-state={state}
      onClick={() => onOpen(line)}
    >
      <span role="gridcell" class="name" style={{ paddingLeft: `${indent(line.depth)}px` }}>
        {line.nests
          ? <button class="plain twist" tabIndex={-1} aria-label={line.open ? 'Fold' : 'Unfold'} onClick={(event) => { event.stopPropagation(); onFold(line.key, line.open); }}><Icon name={line.open ? 'down' : 'right'} /></button>
          : <span class="twist" />}
        {item && <span class="dot" data-hue={hue(service)} />}
        {item ? <span class="span-name">{oneLine(item.span.name, 200) || <i>no name</i>}</span> : <span class="span-name missing"><Icon name="orphan" />missing span <span class="mono">{node.id}</span></span>}
        {item && <span class="dim service-name">{oneLine(service, 40)}</span>}
        {state === 'pending' && <span class="chip pending">open</span>}
        {state === 'error' && <span class="chip error">error</span>}
        {line.hidden > 0 && <span class="dim">+{count(line.hidden)}</span>}
      </span>
      <span role="gridcell" class="timeline">
        <span class={`span-bar ${state}`} data-hue={hue(service)} style={{ left: `${left}%`, width: `${width}%` }} />
        {marks && node.logs.slice(0, 200).map((log) => (
          <span key={log.seq} class={`tick-mark ${levelOf(log.record.severityNumber)}`} style={{ left: `${(Number(BigInt(timeOf(log)) - origin) / length) * 100}%` }} />
        ))}
        <span class={`span-length mono ${left + width > 85 && left < 15 ? 'inside' : ''}`} style={place(left, width)}>
          {!item ? 'not arrived' : state === 'pending' ? 'not ended' : duration(node.end - node.start)}
        </span>
      </span>
    </div>
  );
}

export function LogRow({ line, index, length, selected, onOpen }: Common & { line: LogLine }) {
  const { item } = line;
  const level = levelOf(item.record.severityNumber);
  return (
    <div
      id={line.key}
      role="row"
      aria-level={line.depth + 1}
      aria-rowindex={index + 1}
      aria-selected={selected}
      class={`row line record ${level}`}
      data-seq={item.seq}
      data-link={item.link}
      onClick={() => onOpen(line)}
    >
      <span role="gridcell" class="name" style={{ paddingLeft: `${indent(line.depth)}px` }}>
        <span class="twist" />
        <span class={`level-dot ${level}`} title={level} />
        <span class="message"><Message item={item} /></span>
        {item.link === 'orphaned' && <span class="chip orphaned"><Icon name="orphan" />orphan</span>}
        {line.outside && <span class="chip pending" title="Logged outside the time of its span">{line.outside} the span</span>}
      </span>
      <span role="gridcell" class="timeline">
        <span class={`tick-mark ${level}`} style={{ left: `${(line.at / length) * 100}%` }} />
        <span class="span-length mono" style={place((line.at / length) * 100, 0)}>+{duration(line.at)}</span>
      </span>
    </div>
  );
}

// Behind the bar where there is room, else before it, else inside its end.
function place(left: number, width: number): { left: string } | { right: string } {
  if (left + width <= 85) return { left: `${left + width}%` };
  return { right: `${left >= 15 ? 100 - left : Math.max(0, 100 - left - width)}%` };
}

function indent(depth: number): number {
  return 6 + Math.min(depth, 30) * 14;
}

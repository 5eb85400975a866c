// Records per level over the time range; dragging selects a range.
import { useEffect, useRef, useState } from 'preact/hooks';
import { every, get } from '../lib/api';
import { levels } from '../lib/otlp';
import { go } from '../lib/route';
import { clock, count, duration, isToday } from '../lib/time';
import type { Bucket, Histogram as Answer } from '../lib/types';

const stack = ['unset', ...levels] as const;

export type Totals = Record<string, number>;

export function Histogram({ q, from, to, still, onTotals }: { q: string; from: string; to: string; still: boolean; onTotals: (totals: Totals) => void }) {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const abort = new AbortController();
    const load = async () => {
      const answer = await get<Answer>('/api/logs/histogram', { q, from, to, buckets: 90 }, abort.signal);
      setAnswer(answer);
      const totals: Totals = {};
      for (const level of stack) totals[level] = answer.buckets.reduce((sum, bucket) => sum + (bucket[level] ?? 0), 0);
      onTotals(totals);
    };
    if (still || to) {
      void load().catch(() => {});
      return () => abort.abort();
    }
    const stop = every(2500, load);
    return () => { stop(); abort.abort(); };
  }, [q, from, to, still]);

  if (!answer || !answer.buckets.length) return <div class="histogram" ref={box} />;
  const { buckets } = answer;
  const highest = Math.max(1, ...buckets.map(total));
  const index = (event: PointerEvent) => {
    const area = box.current!.getBoundingClientRect();
    return Math.max(0, Math.min(buckets.length - 1, Math.floor(((event.clientX - area.left) / area.width) * buckets.length)));
  };
  const start = (n: number) => BigInt(buckets[n]!.start);
  const width = BigInt(answer.bucketNanos);
  const chosen = drag && ([Math.min(...drag), Math.max(...drag)] as const);
  const bucket = at === null ? null : buckets[at];
  return (
    <div
      class="histogram"
      ref={box}
      onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); setDrag([index(event), index(event)]); }}
      onPointerMove={(event) => { setAt(index(event)); if (drag) setDrag([drag[0], index(event)]); }}
      onPointerUp={() => {
        if (chosen && chosen[1] > chosen[0]) go({ from: String(start(chosen[0])), to: String(start(chosen[1]) + width), record: '' });
        setDrag(null);
      }}
      onPointerLeave={() => { if (!drag) setAt(null); }}
    >
      <svg viewBox={`0 0 ${buckets.length} 100`} preserveAspectRatio="none" role="img" aria-label={`${count(buckets.reduce((sum, bucket) => sum + total(bucket), 0))} records from ${clock(answer.from)} to ${clock(answer.to)}`}>
        {chosen && <rect class="chosen" x={chosen[0]} width={chosen[1] - chosen[0] + 1} y={0} height={100} />}
        {at !== null && <rect class="hover" x={at} width={1} y={0} height={100} />}
        {buckets.map((bucket, n) => {
          let y = 100;
          // The highest bar fills the height; what is there at all is to be seen.
          const sum = total(bucket);
          const scale = sum ? Math.max(4, (sum / highest) * 96) / sum : 0;
          return stack.map((level) => {
            const height = (bucket[level] ?? 0) * scale;
            if (!height) return null;
            y -= height;
            return <rect key={`${n}${level}`} class={`bar ${level}`} x={n + 0.08} width={0.84} y={y} height={height} />;
          });
        })}
      </svg>
      <div class="scale"><span>{label(answer.from)}</span><span class="dim">{buckets.some(total) ? `${duration(Number(width))} a bar · up to ${count(highest)}` : 'nothing in this time'}</span><span>{label(answer.to)}</span></div>
      {bucket && (
        <div class="tip" style={{ left: `${((at! + 0.5) / buckets.length) * 100}%` }} data-side={at! > buckets.length / 2 ? 'left' : 'right'}>
          <b>{label(bucket.start)}</b>
          {stack.filter((level) => bucket[level]).reverse().map((level) => <span key={level} class={`tally ${level}`}>{level} {count(bucket[level])}</span>)}
          {!total(bucket) && <span class="dim">nothing</span>}
        </div>
      )}
    </div>
  );
}

function total(bucket: Bucket): number {
  return stack.reduce((sum, level) => sum + (bucket[level] ?? 0), 0);
}

function label(nanos: string): string {
  return clock(nanos, isToday(nanos)).replace(/\.\d+$/, '');
}

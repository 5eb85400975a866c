// Small charts: lines over time, the buckets of a histogram.
import type { Bar, Mark } from './points';
import { number } from './points';

/** Neighbours differ. */
export function seriesHue(n: number): number {
  return [0, 1, 2, 3, 4, 6, 5, 8, 7, 9, 10, 11][n % 12]!;
}

export function Lines({ series, label, unit }: { series: Mark[][]; label: string; unit: string }) {
  const all = series.flat();
  if (!all.length) return <div class="chart none">one point so far</div>;
  const [from, to] = [all.reduce((a, m) => Math.min(a, m.t), Infinity), all.reduce((a, m) => Math.max(a, m.t), -Infinity)];
  const high = all.reduce((a, m) => Math.max(a, m.value), -Infinity);
  const low = Math.min(all.reduce((a, m) => Math.min(a, m.value), Infinity), high > 0 ? 0 : Infinity);
  const x = (t: number) => (to > from ? ((t - from) / (to - from)) * 100 : 50);
  const y = (value: number) => (high > low ? 38 - ((value - low) / (high - low)) * 36 : 20);
  return (
    <div class="chart">
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={`${label}: ${number(low)} to ${number(high)}`}>
        <line class="axis" x1="0" x2="100" y1={y(low)} y2={y(low)} />
        {series.slice(0, 12).map((marks, n) => marks.length === 1
          ? <line key={n} class="series" data-hue={seriesHue(n)} x1={Math.max(0, x(marks[0]!.t) - 1)} x2={x(marks[0]!.t) + 1} y1={y(marks[0]!.value)} y2={y(marks[0]!.value)} />
          : <polyline key={n} class="series" data-hue={seriesHue(n)} points={marks.map((m) => `${x(m.t).toFixed(2)},${y(m.value).toFixed(2)}`).join(' ')} />)}
      </svg>
      <span class="high">{number(high, unit)}</span>
      <span class="low">{number(low, unit)}</span>
    </div>
  );
}

export function Bars({ bars, unit }: { bars: Bar[]; unit: string }) {
  const high = bars.reduce((a, bar) => Math.max(a, bar.count), 1);
  return (
    <div class="chart bars">
      <svg viewBox={`0 0 ${Math.max(1, bars.length)} 40`} preserveAspectRatio="none" role="img" aria-label={`${bars.length} buckets`}>
        {bars.map((bar, n) => (
          <rect key={n} class="bucket" x={n + 0.06} width={0.88} y={40 - (bar.count / high) * 38} height={(bar.count / high) * 38}>
            <title>{`up to ${Number.isFinite(bar.upper) ? number(bar.upper) : '∞'} ${unit}: ${bar.count}`}</title>
          </rect>
        ))}
      </svg>
      <span class="high">{number(high)}</span>
      <div class="bounds">{bars.slice(0, -1).map((bar, n) => n % Math.ceil(bars.length / 8) === 0 && <span key={n} style={{ left: `${((n + 1) / bars.length) * 100}%` }}>{number(bar.upper)}</span>)}</div>
    </div>
  );
}

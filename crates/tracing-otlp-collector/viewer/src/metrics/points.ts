// Data points as numbers to draw.
import { bytes } from '../lib/time';
import type { DataPoint, Metric } from '../lib/types';

export type Mark = { t: number; value: number };
export type Bar = { upper: number; count: number };

export function valueOf(point: DataPoint): number {
  return Number(point.asDouble ?? point.asInt ?? NaN);
}

/** What the line shows: values, or for a growing sum and for histograms the rate a second. */
export function marks(metric: Metric, points: DataPoint[]): Mark[] {
  const plain = metric.type === 'gauge' || (metric.type === 'sum' && !(metric.monotonic === true));
  const out: Mark[] = [];
  let before: DataPoint | null = null;
  for (const point of points) {
    const t = Number(point.timeUnixNano ?? 0) / 1e6;
    if (plain) {
      out.push({ t, value: valueOf(point) });
      continue;
    }
    const amount = (p: DataPoint) => (metric.type === 'sum' ? valueOf(p) : Number(p.count ?? 0));
    if (metric.temporality === 'delta') {
      const seconds = (t - Number(point.startTimeUnixNano ?? 0) / 1e6) / 1000;
      if (seconds > 0) out.push({ t, value: amount(point) / seconds });
    } else if (before && before.startTimeUnixNano === point.startTimeUnixNano) {
      const seconds = (t - Number(before.timeUnixNano ?? 0) / 1e6) / 1000;
      if (seconds > 0) out.push({ t, value: Math.max(0, amount(point) - amount(before)) / seconds });
    }
    before = point;
  }
  return out.filter((mark) => Number.isFinite(mark.value));
}

/** The buckets of a histogram by their upper bounds. */
export function bars(metric: Metric, point: DataPoint): Bar[] {
  if (metric.type === 'histogram') {
    const bounds = point.explicitBounds ?? [];
    return (point.bucketCounts ?? []).map((count, n) => ({ upper: bounds[n] ?? Infinity, count: Number(count) }));
  }
  if (metric.type !== 'exponentialHistogram') return [];
  const base = 2 ** (2 ** -(point.scale ?? 0));
  const out: Bar[] = [];
  const below = point.negative?.bucketCounts ?? [];
  for (let n = below.length - 1; n >= 0; n -= 1) out.push({ upper: -(base ** ((point.negative?.offset ?? 0) + n)), count: Number(below[n]) });
  if (Number(point.zeroCount ?? 0)) out.push({ upper: 0, count: Number(point.zeroCount) });
  (point.positive?.bucketCounts ?? []).forEach((count, n) => out.push({ upper: base ** ((point.positive?.offset ?? 0) + n + 1), count: Number(count) }));
  return out;
}

/** The bound under which the given part of the observations lies; null beyond the last bound. */
export function quantile(bars: Bar[], part: number): number | null {
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  if (!total) return null;
  let sum = 0;
  for (const bar of bars) {
    sum += bar.count;
    if (sum >= total * part) return Number.isFinite(bar.upper) ? bar.upper : null;
  }
  return null;
}

export function number(value: number, unit = ''): string {
  if (unit === 'By' && value >= 0) return bytes(Math.round(value));
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toPrecision(3)}G`;
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${(value / 1e3).toPrecision(3)}k`;
  if (Number.isInteger(value)) return String(value);
  return size >= 100 ? value.toFixed(1) : String(Number(value.toPrecision(3)));
}

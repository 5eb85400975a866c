// The metrics that have arrived, each with a small chart.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, every, get, run, status } from '../lib/api';
import { setKeys } from '../lib/keys';
import { inline } from '../lib/otlp';
import { hue } from '../lib/page';
import { go, route } from '../lib/route';
import { ago, count } from '../lib/time';
import type { DataPoint, Metric } from '../lib/types';
import { oneLine } from '../lib/visible';
import { Empty, Start } from '../ui/empty';
import { FilterBox } from '../ui/filterbox';
import { Bars, Lines, seriesHue } from './chart';
import { bars, marks, number, quantile, valueOf } from './points';

export function MetricsView() {
  const { q } = route.value;
  const [items, setItems] = useState<Metric[] | null>(null);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const stop = every(5000, async () => {
      try {
        setItems((await get<{ items: Metric[] }>('/api/metrics', { q, limit: 500 }, abort.signal)).items);
        setError(null);
      } catch (error) {
        if (!abort.signal.aborted) setError(error as Error);
      }
    });
    return () => { stop(); abort.abort(); };
  }, [q, run.value]);
  setKeys({});
  return (
    <div class="view metrics">
      <div class="bar">
        <FilterBox value={q} error={error} placeholder="name:http service=shop" onChange={(q, how) => go({ q }, how === 'typed' ? 'replace' : 'push')} />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Metrics">
        {items?.length === 0 && !(error instanceof ApiError) && ((status.value?.kept?.dataPoints ?? 0) === 0 ? <Start what="metrics" /> : (
          <Empty title="No metric matches"><p class="buttons"><button class="button" onClick={() => go({ q: '' })}>Clear the filter</button></p></Empty>
        ))}
        <ul class="cards">
          {(items ?? []).map((metric, n) => <Card key={`${metric.service}/${metric.name}/${n}`} metric={metric} />)}
        </ul>
      </div>
    </div>
  );
}

function Card({ metric }: { metric: Metric }) {
  const [all, setAll] = useState(false);
  const { series } = metric;
  const unit = metric.unit && metric.unit !== '1' ? metric.unit : '';
  const distribution = metric.type === 'histogram' || metric.type === 'exponentialHistogram';
  const newest = series.reduce<DataPoint | null>((found, { points }) => {
    const last = points.at(-1);
    return last && (!found || Number(last.timeUnixNano) > Number(found.timeUnixNano)) ? last : found;
  }, null);
  const rate = distribution || metric.monotonic === true;
  return (
    <li class="card">
      <header>
        <h2 title={metric.name}>{oneLine(metric.name, 120)}</h2>
        {unit && <span class="dim mono">{unit}</span>}
        <span class="spring" />
        <span class="badge">{metric.type === 'exponentialHistogram' ? 'exp. histogram' : metric.type}{metric.temporality === 'delta' ? ' · delta' : ''}</span>
      </header>
      <p class="dim">{metric.service && <span class="tag" data-hue={hue(metric.service)}>{oneLine(metric.service, 40)}</span>} {oneLine(metric.description ?? '', 200)}</p>
      {distribution && newest ? <Bars bars={bars(metric, newest)} unit={unit} /> : metric.type !== 'summary' ? <Lines series={series.map(({ points }) => marks(metric, points))} label={metric.name} unit={unit} /> : null}
      <table>
        <tbody>
          {(all ? series : series.slice(0, 4)).map(({ attributes, points }, n) => (
            <tr key={n}>
              <td><span class="line-key" data-hue={distribution ? 0 : seriesHue(n)} />{(attributes ?? []).map((pair) => `${pair.key}=${inline(pair.value, 60)}`).map((text) => <span class="pair" key={text}>{oneLine(text, 90)}</span>)}{!attributes?.length && <span class="dim">no attributes</span>}</td>
              <td class="mono value">{last(metric, points.at(-1), unit)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <footer class="dim">
        {series.length > 4 && <button class="plain link" onClick={() => setAll(!all)}>{all ? 'fewer' : `all ${count(series.length)} series`}</button>}
        {rate && !distribution && <span>line: rate a second</span>}
        {distribution && <span>bars: observations in the latest point</span>}
        <span class="spring" />
        {newest?.timeUnixNano && <span>{ago(Number(newest.timeUnixNano) / 1e6)}</span>}
      </footer>
    </li>
  );
}

function last(metric: Metric, point: DataPoint | undefined, unit: string): string {
  if (!point) return '';
  if (metric.type === 'summary') return (point.quantileValues ?? []).map((q) => `p${(q.quantile ?? 0) * 100} ${number(Number(q.value))}`).join(' · ') || `${point.count ?? 0}`;
  if (metric.type === 'gauge' || metric.type === 'sum') return unit === 'By' ? number(valueOf(point), unit) : `${number(valueOf(point))} ${unit}`;
  const all = bars(metric, point);
  const total = Number(point.count ?? 0);
  const parts = [`${number(total)}×`];
  if (point.sum !== undefined && total) parts.push(`avg ${number(Number(point.sum) / total)}`);
  for (const part of [0.5, 0.95]) {
    const bound = quantile(all, part);
    if (bound !== null) parts.push(`p${part * 100}≤${number(bound)}`);
  }
  return `${parts.join(' ')} ${unit}`;
}

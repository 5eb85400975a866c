// The time range: relative ranges are live, fixed ones stand still.
import { useRef, useState } from 'preact/hooks';
import { go, route } from '../lib/route';
import { rangeName } from '../lib/time';
import { Icon } from './icons';

const presets = ['-1m', '-5m', '-15m', '-1h', '-6h', '-24h', '-7d', ''];

export function RangePicker() {
  const menu = useRef<HTMLDetailsElement>(null);
  const { from, to } = route.value;
  const [start, setStart] = useState('');
  const [end, setEnd] = useState('');
  const choose = (from: string, to: string) => {
    go({ from, to, record: '' });
    menu.current!.open = false;
  };
  return (
    <details
      class="menu range"
      ref={menu}
      onKeyDown={(event) => { if (event.key === 'Escape' && menu.current!.open) { event.stopPropagation(); menu.current!.open = false; menu.current!.querySelector('summary')!.focus(); } }}
      onFocusOut={(event) => { if (event.relatedTarget && !menu.current!.contains(event.relatedTarget as Node)) menu.current!.open = false; }}
    >
      <summary class="button" aria-label={`Time range: ${rangeName(from, to)}`}><Icon name="clock" />{rangeName(from, to)}<Icon name="down" /></summary>
      <div class="popover">
        <div class="presets">
          {presets.map((preset) => (
            <button key={preset} class="plain wide" aria-pressed={from === preset && !to} onClick={() => choose(preset, '')}>{rangeName(preset, '')}</button>
          ))}
        </div>
        <form onSubmit={(event) => { event.preventDefault(); choose(nanos(start), nanos(end)); }}>
          <label>from<input type="datetime-local" step="1" value={start} onInput={(event) => setStart(event.currentTarget.value)} /></label>
          <label>to<input type="datetime-local" step="1" value={end} onInput={(event) => setEnd(event.currentTarget.value)} /></label>
          <button class="button" type="submit" disabled={!start && !end}>Apply</button>
          <p class="dim">With an end the list stands still.</p>
        </form>
      </div>
    </details>
  );
}

function nanos(local: string): string {
  return local ? `${new Date(local).getTime()}000000` : '';
}

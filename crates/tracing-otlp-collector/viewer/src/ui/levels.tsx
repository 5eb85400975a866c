// The lowest level that is shown, as buttons; they edit the filter, which stays the truth.
import { levels } from '../lib/otlp';
import { minimumLevel, withMinimumLevel } from '../lib/filter';
import { count } from '../lib/time';
import type { Totals } from './histogram';

export function Levels({ q, totals, onChange }: { q: string; totals: Totals; onChange: (q: string) => void }) {
  const minimum = minimumLevel(q);
  const lowest = levels.indexOf(minimum as (typeof levels)[number]);
  return (
    <div class="levels" role="group" aria-label="Lowest level shown">
      {levels.map((level, n) => (
        <button
          key={level}
          class={`level-button ${level}`}
          aria-pressed={minimum === level}
          data-below={lowest > n}
          title={minimum === level ? 'Show every level' : `Show ${level} and above`}
          onClick={() => onChange(withMinimumLevel(q, minimum === level ? '' : level))}
        >
          <span class="swatch" />
          {level}
          <span class="total">{totals[level] ? count(totals[level]) : ''}</span>
        </button>
      ))}
    </div>
  );
}

// The filter box: completion from what the collector holds, errors at their position.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get } from '../lib/api';
import { asked, indexOfByte, keyText, valueText } from '../lib/filter';
import type { Field } from '../lib/types';
import { oneLine } from '../lib/visible';
import { count } from '../lib/time';
import { Icon } from './icons';

type Choice = { text: string; shown: string; hint: string; start: number; end: number; more: boolean };

type Props = {
  value: string;
  error: Error | null;
  busy?: boolean;
  placeholder?: string;
  onChange: (value: string, how: 'typed' | 'entered') => void;
};

export function FilterBox({ value, error, busy, placeholder, onChange }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [choices, setChoices] = useState<Choice[]>([]);
  const [chosen, setChosen] = useState(-1);
  const typing = useRef(0);
  const asking = useRef<AbortController | null>(null);
  const sent = useRef(value);

  // Changed from outside: a level button, a click on a value, the way back.
  useEffect(() => {
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
      setChoices([]);
    }
  }, [value]);

  const send = (text: string, how: 'typed' | 'entered') => {
    clearTimeout(typing.current);
    sent.current = text.trim();
    onChange(text.trim(), how);
  };
  const typed = (text: string) => {
    setText(text);
    void complete(text);
    clearTimeout(typing.current);
    typing.current = setTimeout(() => send(text, 'typed'), 400);
  };
  const complete = async (text: string) => {
    asking.current?.abort();
    const abort = (asking.current = new AbortController());
    setChosen(-1);
    const at = input.current?.selectionStart ?? text.length;
    const what = asked(text, at);
    if (!what) return setChoices([]);
    // Those that are there stay, as far as they fit what is typed by now, until the answer comes.
    const fits = (choice: Choice) =>
      choice.more === (what.what === 'key') && choice.start === what.start
      && choice.shown.toLowerCase().startsWith(what.prefix.toLowerCase());
    setChoices((before) => before.filter(fits).map((choice) => ({ ...choice, end: what.end })));
    try {
      if (what.what === 'key') {
        const { fields } = await get<{ fields: Field[] }>('/api/fields', { prefix: what.prefix }, abort.signal);
        setChoices(fields.slice(0, 12).map((field) => {
          const key = field.source === 'builtin' || /[^\w./-]/.test(field.key) ? keyText(field.key) : field.key;
          return { text: `${key}${key === 'level' ? '>=' : key === 'has' || field.source === 'builtin' ? ':' : '='}`, shown: field.key, hint: field.source, start: what.start, end: what.end, more: true };
        }));
      } else {
        const path = `/api/fields/${encodeURIComponent(what.key)}/values`;
        const { values } = await get<{ values: { value: unknown; count: number }[] }>(path, { prefix: what.prefix }, abort.signal);
        setChoices(values.slice(0, 12).map(({ value, count: n }) => {
          const shown = typeof value === 'string' ? value : JSON.stringify(value);
          return { text: valueText(shown), shown: oneLine(shown, 80), hint: count(n), start: what.start, end: what.end, more: false };
        }));
      }
    } catch {
      if (!abort.signal.aborted) setChoices([]);
    }
  };
  // Also what is still being asked for: it is not to come up over an answer.
  const hide = () => {
    asking.current?.abort();
    setChoices([]);
  };
  const take = (choice: Choice) => {
    const next = text.slice(0, choice.start) + choice.text + (choice.more ? '' : ' ') + text.slice(choice.end).trimStart();
    const caret = choice.start + choice.text.length + (choice.more ? 0 : 1);
    setText(next);
    setChoices([]);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(caret, caret);
      if (choice.more) void complete(next);
      else send(next, 'typed');
    });
    clearTimeout(typing.current);
  };
  const keyed = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!choices.length) return;
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setChosen((chosen + step + choices.length + (chosen < 0 && step < 0 ? 1 : 0)) % choices.length);
    } else if (event.key === 'Tab' && choices.length && !event.shiftKey) {
      event.preventDefault();
      take(choices[Math.max(0, chosen)]!);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (chosen >= 0 && choices[chosen]) return take(choices[chosen]!);
      hide();
      send(text, 'entered');
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      if (choices.length) hide();
      else input.current?.blur();
    }
  };

  const open = choices.length > 0;
  return (
    <div class="filterbox">
      <div class={`field ${error instanceof ApiError && error.status === 400 ? 'wrong' : ''} ${busy ? 'busy' : ''}`}>
        <Icon name="search" />
        <input
          ref={input}
          id="filter"
          type="text"
          role="combobox"
          aria-label="Filter"
          aria-expanded={open}
          aria-controls="choices"
          aria-activedescendant={open && chosen >= 0 ? `choice-${chosen}` : undefined}
          aria-invalid={error instanceof ApiError && error.status === 400}
          aria-describedby="filter-error"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder={placeholder ?? 'text, level>=warn, service=shop, http.status>=500, -"health check"'}
          value={text}
          onInput={(event) => typed(event.currentTarget.value)}
          onKeyDown={keyed}
          onClick={() => void complete(text)}
          onBlur={() => setTimeout(hide, 150)}
        />
        {text && (
          <button class="plain" title="Clear the filter" aria-label="Clear the filter" onClick={() => { setText(''); send('', 'entered'); input.current?.focus(); }}>
            <Icon name="close" />
          </button>
        )}
        <kbd>/</kbd>
      </div>
      {open && (
        <ul class="choices" id="choices" role="listbox" aria-label="Completions">
          {choices.map((choice, n) => (
            <li
              key={choice.text + n}
              id={`choice-${n}`}
              role="option"
              aria-selected={n === chosen}
              onMouseDown={(event) => { event.preventDefault(); take(choice); }}
            >
              <span class="choice">{choice.shown}</span>
              <span class="hint">{choice.hint}</span>
            </li>
          ))}
        </ul>
      )}
      <div id="filter-error" role="alert">{error instanceof ApiError && !open && <FilterError text={value} error={error} />}</div>
    </div>
  );
}

/** The filter with the place marked that the collector could not read. */
function FilterError({ text, error }: { text: string; error: ApiError }) {
  if (error.position === null) return <p class="filter-error">{error.message}</p>;
  const at = indexOfByte(text, error.position);
  const end = Math.max(at + 1, text.slice(at).search(/[\s)]|$/) + at);
  return (
    <p class="filter-error">
      <code>{text.slice(0, at)}<mark>{text.slice(at, end) || '␣'}</mark>{text.slice(end)}</code>
      <span>{error.message}</span>
    </p>
  );
}

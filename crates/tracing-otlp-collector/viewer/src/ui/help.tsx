// What the keys do, and the filter language on one page.
import { useEffect, useRef } from 'preact/hooks';
import { helping } from '../lib/keys';
import { Icon } from './icons';

const keys: [string, string][] = [
  ['/', 'write a filter'],
  ['j  k', 'next, previous'],
  ['Enter', 'open'],
  ['Esc', 'close, go back'],
  ['e  E', 'next, previous error'],
  ['t', 'the trace of the record'],
  ['p', 'pause, resume'],
  ['G', 'to the end, follow'],
  ['←  →', 'fold, unfold (trace)'],
  ['s', 'records in the trace: show, hide'],
  ['g l', 'logs'],
  ['g t', 'traces'],
  ['g m', 'metrics'],
  ['g r', 'rejected'],
  ['?', 'this page'],
];

const language: [string, string][] = [
  ['timeout', 'the text, anywhere in the record'],
  ['"two words"', 'the text as it stands'],
  ['level>=warn', 'trace debug info warn error fatal'],
  ['service=shop', 'is; != is not'],
  ['body:refused', 'contains'],
  ['http.status>=500', 'any attribute, numbers as numbers'],
  ['duration>100ms', 'spans and traces'],
  ['path=~"^/api/v[12]"', 'regular expression'],
  ['has:error.type', 'is there at all'],
  ['link=orphaned', 'linked, unlinked, pending'],
  ['a OR b', 'either; a space means both'],
  ['-text  NOT (a b)', 'not'],
  ['resource.host=a', 'also attr.KEY and scope.KEY'],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const on = helping.value;
  useEffect(() => {
    if (on && !dialog.current!.open) dialog.current!.showModal();
    if (!on && dialog.current!.open) dialog.current!.close();
  }, [on]);
  return (
    <dialog ref={dialog} class="help" aria-label="Help" onClose={() => (helping.value = false)} onClick={(event) => { if (event.target === dialog.current) helping.value = false; }}>
      <header><h2>Keys and filters</h2><button class="plain" aria-label="Close" onClick={() => (helping.value = false)}><Icon name="close" /></button></header>
      <div class="columns">
        <dl>{keys.map(([key, what]) => <div key={key}><dt>{key.split('  ').map((part) => <kbd key={part}>{part}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
        <dl>{language.map(([term, what]) => <div key={term}><dt><code>{term}</code></dt><dd>{what}</dd></div>)}</dl>
      </div>
    </dialog>
  );
}

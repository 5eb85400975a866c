// Edits and completes filters. The collector is the one that parses and evaluates them.
import type { Level } from './otlp';

export type Token = { start: number; end: number; text: string; depth: number };

/** The words of a filter: quoted parts stay together, parentheses stand alone. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (/\s/.test(char)) { at += 1; continue; }
    const start = at;
    if (char === '(' || char === ')') {
      if (char === ')') depth = Math.max(0, depth - 1);
      found.push({ start, end: at + 1, text: char, depth });
      if (char === '(') depth += 1;
      at += 1;
      continue;
    }
    while (at < text.length && !/[\s()]/.test(text[at]!)) {
      if (text[at] === '"') at = closing(text, at);
      else at += 1;
    }
    found.push({ start, end: at, text: text.slice(start, at), depth });
  }
  return found;
}

function closing(text: string, at: number): number {
  for (at += 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

export function keyText(key: string): string {
  return /^[A-Za-z_][\w./-]*$/.test(key) && !/^(AND|OR|NOT)$/.test(key) ? key : quoted(key);
}

export function valueText(value: string): string {
  return /^[\w./+-]+$/.test(value) ? value : quoted(value);
}

/** `key=value` as a term, or what excludes it. */
export function term(key: string, value: string, exclude = false): string {
  return `${exclude ? '-' : ''}${keyText(key)}=${valueText(value)}`;
}

/** The filter with one more condition; alternatives are put in parentheses first. */
export function and(filter: string, term: string): string {
  const bare = filter.trim();
  if (!bare) return term;
  const words = tokens(bare);
  if (words.some((word) => word.depth === 0 && word.text === term)) return bare;
  const alternatives = words.some((word) => word.depth === 0 && word.text === 'OR');
  return `${alternatives ? `(${bare})` : bare} ${term}`;
}

const levelTerm = /^level(>=|=|:)(\w+)$/i;

/** The lowest level that the filter lets through, when it says so in a term of its own. */
export function minimumLevel(filter: string): string {
  for (const word of tokens(filter)) {
    const match = word.depth === 0 && word.text.match(levelTerm);
    if (match && match[1] === '>=') return match[2]!.toLowerCase();
  }
  return '';
}

export function withMinimumLevel(filter: string, level: Level | ''): string {
  const words = tokens(filter);
  const index = words.findIndex((word) => word.depth === 0 && levelTerm.test(word.text));
  let rest = filter;
  if (index >= 0) {
    const word = words[index]!;
    rest = filter.slice(0, word.start) + filter.slice(word.end).trimStart();
  }
  rest = rest.trim();
  return level ? and(rest, `level>=${level}`) : rest;
}

export type Asked =
  | { what: 'key'; prefix: string; start: number; end: number }
  | { what: 'value'; key: string; prefix: string; start: number; end: number };

/** What could be completed at the caret. */
export function asked(text: string, caret: number): Asked | null {
  const word = tokens(text).find((word) => word.start < caret && caret <= word.end && word.text !== '(' && word.text !== ')');
  if (!word) return { what: 'key', prefix: '', start: caret, end: caret };
  const skip = word.text.startsWith('-') ? 1 : 0;
  const operator = word.text.slice(skip).match(/^("(?:[^"\\]|\\.)*"|[^\s:=!<>"]+)(:|=~|!=|>=|<=|=|>|<)/);
  if (!operator) {
    return { what: 'key', prefix: text.slice(word.start + skip, caret).replace(/"/g, ''), start: word.start + skip, end: word.end };
  }
  const start = word.start + skip + operator[0].length;
  if (caret < start || operator[2] === '=~') return null;
  const key = operator[1]!.startsWith('"') ? operator[1]!.slice(1, -1).replace(/\\(.)/g, '$1') : operator[1]!;
  return { what: 'value', key, prefix: text.slice(start, caret).replace(/^"|"$/g, ''), start, end: word.end };
}

/** A byte offset of the collector as an index into the text. */
export function indexOfByte(text: string, offset: number): number {
  let bytes = 0;
  let index = 0;
  for (const char of text) {
    if (bytes >= offset) break;
    const code = char.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    index += char.length;
  }
  return index;
}

// The filter language, well enough for the stand-in: the collector's own parser is the truth.

class FilterError extends Error {
  constructor(message, position) {
    super(message);
    this.position = position;
  }
}

/** A predicate over what `look(key)` and `texts()` say about an item. */
export function compile(text) {
  let at = 0;
  const bytes = () => Buffer.byteLength(text.slice(0, at));
  const fail = (message) => { throw new FilterError(message, bytes()); };
  const space = () => { while (/\s/.test(text[at] ?? '')) at += 1; };
  const quoted = () => {
    let out = '';
    for (at += 1; at < text.length; at += 1) {
      if (text[at] === '\\') out += text[(at += 1)];
      else if (text[at] === '"') { at += 1; return out; }
      else out += text[at];
    }
    return fail('the quotation is not closed');
  };
  const bare = (stop) => {
    const start = at;
    while (at < text.length && !stop.test(text[at])) at += 1;
    return text.slice(start, at);
  };
  const either = () => {
    const all = [both()];
    for (space(); /^OR(\s|\()/.test(text.slice(at)); space()) { at += 2; all.push(both()); }
    return all.length === 1 ? all[0] : (item) => all.some((one) => one(item));
  };
  const both = () => {
    const all = [];
    for (space(); at < text.length && text[at] !== ')' && !/^OR(\s|\()/.test(text.slice(at)); space()) all.push(not());
    if (!all.length) fail('a condition is missing here');
    return (item) => all.every((one) => one(item));
  };
  const not = () => {
    if (/^NOT[\s(]/.test(text.slice(at))) { at += 3; space(); const inner = not(); return (item) => !inner(item); }
    if (text[at] === '-') { at += 1; const inner = not(); return (item) => !inner(item); }
    return primary();
  };
  const primary = () => {
    if (text[at] === '(') {
      at += 1;
      const inner = either();
      space();
      if (text[at] !== ')') fail('the parenthesis is not closed');
      at += 1;
      return inner;
    }
    const key = text[at] === '"' ? quoted() : bare(/[\s()":=!<>]/);
    const operator = text.slice(at).match(/^(=~|!=|>=|<=|:|=|>|<)/)?.[0];
    if (!operator) {
      if (!key) fail('this is not understood');
      const low = key.toLowerCase();
      return (item) => item.texts().some((value) => value.toLowerCase().includes(low));
    }
    at += operator.length;
    if (at >= text.length || /[\s)]/.test(text[at])) fail(`a value is missing after ${operator}`);
    const value = text[at] === '"' ? quoted() : bare(/[\s()]/);
    return condition(key, operator, value, fail);
  };
  space();
  if (at >= text.length) return () => true;
  const result = either();
  space();
  if (at < text.length) fail('this is not understood');
  return result;
}

const names = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

function condition(key, operator, value, fail) {
  if (key === 'has') return (item) => item.look(value) !== undefined;
  if (key === 'level') {
    const n = names.indexOf(value.toLowerCase());
    const number = Number(value);
    if (n < 0 && !(number >= 1 && number <= 24)) fail('no such level');
    const [low, high] = n < 0 ? [number, number] : [n * 4 + 1, n * 4 + 4];
    const test = {
      ':': (s) => s >= low && s <= high, '=': (s) => s >= low && s <= high, '!=': (s) => s < low || s > high,
      '>=': (s) => s >= low, '<=': (s) => s > 0 && s <= high, '>': (s) => s > high, '<': (s) => s > 0 && s < low,
    }[operator];
    return (item) => test(item.severity ?? 0);
  }
  const unit = value.match(/^([\d.]+)(ns|us|ms|s|m)$/);
  const wanted = unit ? Number(unit[1]) * { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 6e10 }[unit[2]] : Number(value);
  const pattern = operator === '=~' ? new RegExp(value) : null;
  return (item) => {
    const found = item.look(key);
    if (found === undefined) return operator === '!=';
    const text = typeof found === 'string' ? found : String(found);
    const bothNumbers = typeof found === 'number' && !Number.isNaN(wanted);
    switch (operator) {
      case ':': return text.toLowerCase().includes(value.toLowerCase());
      case '=': return bothNumbers ? found === wanted : text === value;
      case '!=': return bothNumbers ? found !== wanted : text !== value;
      case '=~': return pattern.test(text);
      case '>': return bothNumbers ? found > wanted : text > value;
      case '>=': return bothNumbers ? found >= wanted : text >= value;
      case '<': return bothNumbers ? found < wanted : text < value;
      default: return bothNumbers ? found <= wanted : text <= value;
    }
  };
}

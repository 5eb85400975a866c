// Text from records, made harmless to read: what would move, hide or turn round other text is
// shown as a sign. (It is never HTML: the page only ever sets text.)

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;
// eslint-disable-next-line no-control-regex
const colours = /\u001b\[[0-9;]*m/g;

/** For one line: line ends and tabs become signs too. */
export function oneLine(text: string, limit = 500): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(colours, '').replace(/\r?\n/g, ' ⏎ ').replace(/\t/g, ' ').replace(controls, sign);
}

/** For a block: line ends and tabs stay. */
export function block(text: string): string {
  return text.replace(colours, '').replace(/\r\n/g, '\n').replace(controls, sign);
}

function sign(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

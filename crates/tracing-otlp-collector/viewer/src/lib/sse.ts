// Reads a stream of server-sent events by `fetch`.
//
// Not EventSource: that hands over one event a task (a replay has a hundred thousand), hides the
// body of a refusal, and reconnects by rules of its own.

export type Event = { event: string; id: string; data: string };

/** Splits text that arrives in pieces into events. */
export function splitter(each: (event: Event) => void): (piece: string) => void {
  let rest = '';
  let event = '';
  let id = '';
  let data: string[] = [];
  return (piece) => {
    const text = rest + piece;
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      const line = text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end);
      start = end + 1;
      if (line === '') {
        if (data.length) each({ event: event || 'message', id, data: data.join('\n') });
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      let value = colon < 0 ? '' : line.slice(colon + 1);
      if (value.startsWith(' ')) value = value.slice(1);
      if (name === 'data') data.push(value);
      else if (name === 'event') event = value;
      else if (name === 'id') id = value;
    }
    rest = text.slice(start);
  };
}

/** Calls `each` for every event and `heard` for every piece, until the stream ends. */
export async function read(response: Response, each: (event: Event) => void, heard: () => void): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const feed = splitter(each);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    feed(value);
  }
}

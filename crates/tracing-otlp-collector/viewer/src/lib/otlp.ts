// OTLP/JSON values as text and as types, severities, and records as export requests.
import type { AnyValue, KeyValue, LogItem, LogRecord } from './types';

export type Level = 'unset' | 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export const levels: Level[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

export function levelOf(severity: number | undefined): Level {
  if (!severity || severity < 1 || severity > 24) return 'unset';
  return levels[Math.floor((severity - 1) / 4)]!;
}

export type Kind = 'text' | 'bool' | 'int' | 'double' | 'bytes' | 'array' | 'map' | 'empty';

export function kindOf(value: AnyValue | undefined | null): Kind {
  if (!value) return 'empty';
  if (value.stringValue !== undefined) return 'text';
  if (value.boolValue !== undefined) return 'bool';
  if (value.intValue !== undefined) return 'int';
  if (value.doubleValue !== undefined) return 'double';
  if (value.bytesValue !== undefined) return 'bytes';
  if (value.arrayValue !== undefined) return 'array';
  if (value.kvlistValue !== undefined) return 'map';
  return 'empty';
}

/** The value as one line of text that ends soon after `limit` characters. */
export function inline(value: AnyValue | undefined | null, limit = 400): string {
  let text = '';
  const write = (value: AnyValue | undefined | null, quoted: boolean) => {
    if (text.length > limit) return;
    switch (kindOf(value)) {
      case 'text': text += quoted ? JSON.stringify(value!.stringValue!.slice(0, limit)) : value!.stringValue!.slice(0, limit + 1); break;
      case 'bool': text += String(value!.boolValue); break;
      case 'int': text += String(value!.intValue); break;
      case 'double': text += double(value!.doubleValue!); break;
      case 'bytes': text += `bytes(${byteLength(value!.bytesValue!)})`; break;
      case 'array': {
        text += '[';
        (value!.arrayValue!.values ?? []).forEach((item, n) => {
          if (n) text += ', ';
          write(item, true);
        });
        text += ']';
        break;
      }
      case 'map': {
        text += '{';
        (value!.kvlistValue!.values ?? []).forEach((item, n) => {
          if (text.length > limit) return;
          text += `${n ? ', ' : ''}${item.key}: `;
          write(item.value, true);
        });
        text += '}';
        break;
      }
      case 'empty': text += quoted ? 'null' : ''; break;
    }
  };
  write(value, false);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** A double is never mistaken for an integer. */
export function double(value: number | string): string {
  if (typeof value === 'string') return value;
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value);
}

export function byteLength(base64: string): number {
  const bare = base64.replace(/=+$/, '').length;
  return Math.floor((bare * 3) / 4);
}

export function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Offset, bytes and printable characters, sixteen a line. */
export function hexDump(bytes: Uint8Array, limit = 4096): string {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, limit); at += 16) {
    const row = [...bytes.subarray(at, Math.min(at + 16, limit))];
    const hex = row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    const text = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex}  ${text}`);
  }
  if (bytes.length > limit) lines.push(`… ${bytes.length - limit} more bytes`);
  return lines.join('\n');
}

/** The plain text of the whole value, for the clipboard. */
export function plain(value: AnyValue | undefined | null): string {
  switch (kindOf(value)) {
    case 'text': return value!.stringValue!;
    case 'bytes': return value!.bytesValue!;
    case 'array':
    case 'map': return JSON.stringify(simple(value), null, 2);
    default: return inline(value);
  }
}

/** The value as ordinary JSON: types are lost, it is for reading. */
export function simple(value: AnyValue | undefined | null): unknown {
  switch (kindOf(value)) {
    case 'text': return value!.stringValue;
    case 'bool': return value!.boolValue;
    case 'int': {
      const number = Number(value!.intValue);
      return Number.isSafeInteger(number) ? number : String(value!.intValue);
    }
    case 'double': return value!.doubleValue;
    case 'bytes': return value!.bytesValue;
    case 'array': return (value!.arrayValue!.values ?? []).map(simple);
    case 'map': return Object.fromEntries((value!.kvlistValue!.values ?? []).map((item) => [item.key, simple(item.value)]));
    default: return null;
  }
}

export function find(attributes: KeyValue[] | undefined, key: string): AnyValue | undefined {
  return attributes?.find((item) => item.key === key)?.value;
}

/** When the record happened; else when it was seen; else when it arrived. Nanoseconds, as text. */
export function timeOf({ record, receivedAt }: { record: LogRecord; receivedAt: string }): string {
  const time = record.timeUnixNano;
  if (time && time !== '0') return String(time);
  const seen = record.observedTimeUnixNano;
  if (seen && seen !== '0') return String(seen);
  const arrived = Date.parse(receivedAt);
  return Number.isFinite(arrived) ? `${arrived}000000` : '0';
}

/** One export request with only this record in it, as it can be sent to `/v1/logs`. */
export function exportRequest(item: LogItem): string {
  const { schemaUrl: resourceSchema, ...resource } = item.resource ?? {};
  const { schemaUrl: scopeSchema, ...scope } = item.scope ?? {};
  const scopeLogs = { scope, logRecords: [item.record], ...(scopeSchema ? { schemaUrl: scopeSchema } : {}) };
  const resourceLogs = { resource, scopeLogs: [scopeLogs], ...(resourceSchema ? { schemaUrl: resourceSchema } : {}) };
  return JSON.stringify({ resourceLogs: [resourceLogs] }, null, 2);
}

// Times and durations as people read them. Nanoseconds come as text: they do not fit a number.

const pad = (n: number, width = 2) => String(n).padStart(width, '0');

export function millis(nanos: string): number {
  return Number(BigInt(nanos || '0') / 1_000_000n);
}

/** 13:04:05.123 in local time, with the date in front when it is not today. */
export function clock(nanos: string, today = true): string {
  if (!nanos || nanos === '0') return 'no time';
  const date = new Date(millis(nanos));
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
  return today ? time : `${day(date)} ${time}`;
}

export function day(date: Date): string {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** Local date and time with all nine digits and the offset. */
export function full(nanos: string): string {
  if (!nanos || nanos === '0') return 'not set';
  const date = new Date(millis(nanos));
  const fraction = String(BigInt(nanos) % 1_000_000_000n).padStart(9, '0');
  const offset = -date.getTimezoneOffset();
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
  return `${day(date)} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${fraction}${zone}`;
}

/** A length of time in the unit that suits it. */
export function duration(nanos: number): string {
  const size = Math.abs(nanos);
  const sign = nanos < 0 ? '−' : '';
  if (size < 1e3) return `${sign}${size.toFixed(0)}ns`;
  if (size < 1e6) return `${sign}${short(size / 1e3)}µs`;
  if (size < 1e9) return `${sign}${short(size / 1e6)}ms`;
  if (size < 60e9) return `${sign}${short(size / 1e9)}s`;
  const seconds = Math.round(size / 1e9);
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  if (seconds < 86400) return `${sign}${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${sign}${Math.floor(seconds / 86400)}d ${Math.floor((seconds % 86400) / 3600)}h`;
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function ago(at: number, now = Date.now()): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 2) return 'just now';
  return `${seconds < 60 ? `${seconds}s` : duration(seconds * 1e9)} ago`;
}

export function minus(a: string | undefined, b: string | undefined): number {
  return Number(BigInt(a || '0') - BigInt(b || '0'));
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1024 ** 2) return `${(n / 1024).toFixed(1)} KiB`;
  if (n < 1024 ** 3) return `${(n / 1024 ** 2).toFixed(1)} MiB`;
  return `${(n / 1024 ** 3).toFixed(2)} GiB`;
}

/** `-15m` and the like in words; fixed ends as clock times. */
export function rangeName(from: string, to: string): string {
  if (!from && !to) return 'everything kept';
  const relative = from.match(/^-(\d+)([smhd])$/);
  if (relative && !to) {
    const unit = { s: 'second', m: 'minute', h: 'hour', d: 'day' }[relative[2] as 's' | 'm' | 'h' | 'd'];
    return relative[1] === '1' ? `last ${unit}` : `last ${relative[1]} ${unit}s`;
  }
  const name = (end: string) => (/^\d{15,}$/.test(end) ? clock(end, isToday(end)) : end);
  return `${from ? name(from) : 'start'} – ${to ? name(to) : 'now'}`;
}

export function isToday(nanos: string): boolean {
  return day(new Date(millis(nanos))) === day(new Date());
}

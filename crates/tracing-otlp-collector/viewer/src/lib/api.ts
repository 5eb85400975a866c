// Requests to the collector: one place for errors, for the lost connection and for a restart.
import { signal } from '@preact/signals';
import type { Status } from './types';

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** Byte offset in the filter, when the filter is what is wrong. */
    readonly position: number | null,
  ) {
    super(message);
  }
}

/** The collector could not be reached at all. */
export class Unreachable extends Error {}

/** Whether the last request reached the collector. */
export const reachable = signal(true);

/** The collector's own words about itself; null before the first answer. */
export const status = signal<Status | null>(null);

/** Grows when another run of the collector answers: sequence numbers start anew. */
export const run = signal(0);

type Query = Record<string, string | number | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') values.set(name, String(value));
  }
  const text = values.toString();
  return text ? `${path}?${text}` : path;
}

export async function open(path: string, query: Query = {}, abort?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address(path, query), { signal: abort ?? null, cache: 'no-store' });
  } catch (error) {
    if (abort?.aborted) throw error;
    reachable.value = false;
    throw new Unreachable('the collector does not answer');
  }
  reachable.value = true;
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function get<T>(path: string, query: Query = {}, abort?: AbortSignal): Promise<T> {
  return (await open(path, query, abort)).json() as Promise<T>;
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const { error } = JSON.parse(text);
    return new ApiError(String(error.message), response.status, typeof error.position === 'number' ? error.position : null);
  } catch {
    return new ApiError(text.slice(0, 500) || `the collector answered ${response.status}`, response.status, null);
  }
}

/** Asks for the status; notices a restart. */
export async function refreshStatus(): Promise<void> {
  try {
    const answer = await get<Status>('/api/status');
    if (status.value && status.value.startedAt !== answer.startedAt) run.value += 1;
    status.value = answer;
  } catch {
    // `reachable` says it.
  }
}

/**
 * Calls now and then every `period`, not while the page is hidden; returns how to stop it. What takes
 * the collector long is asked less often.
 */
export function every(period: number, call: () => Promise<unknown>): () => void {
  let timer = 0;
  let stopped = false;
  let busy = false;
  const turn = async () => {
    if (busy || stopped) return;
    busy = true;
    clearTimeout(timer);
    const start = performance.now();
    if (!document.hidden) await call().catch(() => {});
    busy = false;
    if (!stopped) timer = setTimeout(turn, Math.max(period, (performance.now() - start) * 8));
  };
  document.addEventListener('visibilitychange', turn);
  void turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', turn);
  };
}

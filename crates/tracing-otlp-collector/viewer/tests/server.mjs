// A collector of its own for a test: the real binary, or the stand-in when none is named.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const binary = process.env.TRACING_OTLP_BIN || '';
export const realThing = binary !== '';

/** Starts on free ports, or again at `port`. */
export async function serve({ port = 0, args = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'viewer-collector-'));
  const portFile = join(folder, 'ports.json');
  const http = ['--http', `127.0.0.1:${port}`, '--port-file', portFile];
  const [command, words] = realThing
    ? [binary, ['serve', '--grpc', '127.0.0.1:0', ...http, ...args]]
    : [process.execPath, [join(import.meta.dirname, '../dev/mock.mjs'), ...http]];
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (data) => (said += data));
  child.stderr.on('data', (data) => (said += data));
  let ended = null;
  const end = new Promise((done) => child.once('exit', (code, signal) => done((ended = `${code ?? signal}`))));
  const stop = async (signal = 'SIGKILL') => {
    if (ended === null) child.kill(signal);
    await end;
    await rm(folder, { recursive: true, force: true });
  };
  const until = Date.now() + 30_000;
  for (;;) {
    const url = address(await readFile(portFile, 'utf8').catch(() => ''));
    if (url && (await fetch(`${url}/api/status`).then((answer) => answer.ok, () => false))) return { url, stop };
    if (ended !== null || Date.now() > until) {
      await stop();
      throw new Error(`${command} did not start (${ended ?? 'no answer'}): ${said}`);
    }
    await new Promise((done) => setTimeout(done, 30));
  }
}

// The viewer's address in what the port file says, or the first.
function address(text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    return '';
  }
  const found = [];
  const look = (value, key) => {
    if (typeof value === 'string' && /^http:\/\/[\w.[\]:]+:\d+\/?$/.test(value)) found.push({ key, url: value.replace(/\/$/, '') });
    else if (value && typeof value === 'object') for (const [name, inner] of Object.entries(value)) look(inner, name);
  };
  look(content, '');
  return (found.find(({ key }) => key === 'viewer') ?? found[0])?.url ?? '';
}

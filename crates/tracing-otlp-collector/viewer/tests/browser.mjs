// Debian's chromium, quiet and with a profile of its own.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const executable = process.env.TRACING_OTLP_CHROMIUM || '/usr/bin/chromium';

export async function launch(settings = {}) {
  if (!existsSync(executable)) throw new Error(`no chromium at ${executable}: apt-get install chromium, or name another by TRACING_OTLP_CHROMIUM`);
  const profile = await mkdtemp(join(tmpdir(), 'viewer-profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    viewport: { width: 1440, height: 860 },
    permissions: ['clipboard-read', 'clipboard-write'],
    ...settings,
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

// The page's modules as they are: bundled for Node, one by one.
import { build } from 'esbuild';
import { join } from 'node:path';

export async function load(path) {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../../src', path)],
    bundle: true, write: false, format: 'esm', platform: 'node', jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'silent',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

// Builds the page into the directory given: index.html, app.js, app.css, favicon.svg, licences.txt.
//
// The same sources and the same lock file give the same bytes, so that CI can compare what is
// committed with what it builds itself.
import { build } from 'esbuild';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { join, resolve } from 'node:path';

const here = import.meta.dirname;
const out = resolve(process.argv[2] ?? join(here, '../assets'));
const limit = 60 * 1024;
const accepted = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']);

await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: { app: 'src/main.tsx' },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome123', 'firefox121', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: '// tracing-otlp viewer, built from viewer/src; contains the packages named in licences.txt' },
  metafile: true,
  logLevel: 'warning',
});
for (const name of ['index.html', 'favicon.svg']) {
  await copyFile(join(here, 'src', name), join(out, name));
}
await writeFile(join(out, 'licences.txt'), await licences(result.metafile));

const js = gzipSync(await readFile(join(out, 'app.js'))).length;
const css = gzipSync(await readFile(join(out, 'app.css'))).length;
console.log(`built ${out}: app.js ${js} bytes and app.css ${css} bytes gzipped`);
if (js > limit) {
  console.error(`app.js is larger than ${limit} bytes gzipped`);
  process.exit(1);
}

/** The licence texts of the packages whose code is inside the bundle. */
async function licences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
  let text = 'app.js contains these packages.\n';
  for (const name of [...packages].sort()) {
    const folder = join(here, 'node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    if (!accepted.has(license)) throw new Error(`${name} has the licence ${license}, which is not accepted`);
    const full = (await readFile(join(folder, 'LICENSE'), 'utf8')).replaceAll('\r\n', '\n').trim();
    text += `\n---- ${name} ${version} (${license})\n\n${full}\n`;
  }
  return text;
}

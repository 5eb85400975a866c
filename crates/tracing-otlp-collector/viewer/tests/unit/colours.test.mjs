// Text can be read on its ground in both themes: at least 4.5 to 1.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const css = await readFile(join(import.meta.dirname, '../../src/css/tokens.css'), 'utf8');
const hex = (text) => {
  const digits = text.length === 4 ? [...text.slice(1)].map((digit) => digit + digit).join('') : text.slice(1);
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16) / 255);
};
const pairs = [...css.matchAll(/(--[\w-]+): light-dark\((#\w+), (#\w+)\)/g)].map(([, name, light, dark]) => ({ name, themes: [hex(light), hex(dark)] }));
const token = (name) => pairs.find((pair) => pair.name === name).themes;
const luminance = (colour) => {
  const [r, g, b] = colour.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};

const grounds = ['--ground', '--raised', '--hover', '--chosen', '--warn-ground', '--error-ground', '--fatal-ground'];
const texts = ['--text', '--soft', '--dim', '--accent', '--trace', '--debug', '--info', '--warn', '--error', '--fatal', '--orphan', '--pending'];
const themes = ['light', 'dark'];

test('text and level colours on every ground of a row', () => {
  const poor = [];
  for (const text of texts) for (const ground of grounds) for (const n of [0, 1]) {
    const ratio = contrast(token(text)[n], token(ground)[n]);
    if (ratio < 4.5) poor.push(`${themes[n]}: ${text} on ${ground} ${ratio.toFixed(2)}`);
  }
  assert.deepEqual(poor, []);
});

test('the colours of names on every ground of a row', () => {
  const poor = [];
  const hues = pairs.filter((pair) => pair.name === '--hue');
  assert.equal(hues.length, 12);
  for (const [hue, { themes: colours }] of hues.entries()) for (const ground of grounds) for (const n of [0, 1]) {
    const ratio = contrast(colours[n], token(ground)[n]);
    if (ratio < 4.5) poor.push(`${themes[n]}: hue ${hue} on ${ground} ${ratio.toFixed(2)}`);
  }
  assert.deepEqual(poor, []);
});

// Starts the page.
import { render } from 'preact';
import { App } from './app';
import './css/app.css';
import { listen } from './lib/keys';
import { applyTheme } from './lib/page';

applyTheme();
listen();
const place = document.getElementById('app')!;
place.textContent = '';
render(<App />, place);

// The few signs of the page, drawn instead of taken from a font.
const paths = {
  pause: 'M5 3.5v9M11 3.5v9',
  play: 'M5 3.2v9.6l7.5-4.8z',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3z',
  plus: 'M8 3.5v9M3.5 8h9',
  minus: 'M3.5 8h9',
  link: 'M6.5 9.5l3-3M7 4.8l1.3-1.3a2.6 2.6 0 0 1 3.7 3.7L10.7 8.5M9 11.2l-1.3 1.3A2.6 2.6 0 0 1 4 8.8l1.3-1.3',
  orphan: 'M8 2.2l6.2 11H1.8zM8 6.5v3.2M8 11.6v.1',
  pending: 'M8 2.5a5.5 5.5 0 1 1-5.5 5.5M8 5v3.2l2 1.3',
  right: 'M6 4l4 4-4 4',
  down: 'M4 6l4 4 4-4',
  end: 'M8 2.5v9M4.5 8.5L8 12l3.5-3.5M4 14h8',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9',
  moon: 'M13 9.6A5.6 5.6 0 0 1 6.4 3a5.6 5.6 0 1 0 6.6 6.6z',
  auto: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 2.5v11',
  search: 'M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3.5 3.5',
  check: 'M3.5 8.5l3 3 6-7',
  clock: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.3',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={paths[name]} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

// The side panel for what is selected.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { Icon } from './icons';

type Props = { label: string; title: ComponentChildren; tools?: ComponentChildren; onClose: () => void; children: ComponentChildren };

export function Panel({ label, title, tools, onClose, children }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(remembered);
  // Another record starts at its top.
  useEffect(() => { body.current!.scrollTop = 0; }, [label]);
  const resize = (next: number) => {
    const fitting = Math.max(320, Math.min(innerWidth - 360, next));
    remembered = fitting;
    setWidth(fitting);
  };
  return (
    <aside class="panel" aria-label={label} style={width ? { width: `${width}px` } : {}}>
      <div
        class="grip"
        role="separator"
        aria-orientation="vertical"
        aria-label="Width of the panel"
        tabIndex={0}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
          event.stopPropagation();
          resize(event.currentTarget.parentElement!.clientWidth + (event.key === 'ArrowLeft' ? 40 : -40));
        }}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => { if (event.currentTarget.hasPointerCapture(event.pointerId)) resize(event.currentTarget.parentElement!.getBoundingClientRect().right - event.clientX); }}
      />
      <header>
        <h2>{title}</h2>
        <button class="plain" aria-label="Close (Escape)" title="Close (Escape)" onClick={onClose}><Icon name="close" /></button>
      </header>
      {tools && <div class="tools">{tools}</div>}
      <div class="content" ref={body} tabIndex={0} role="region" aria-label={`${label}, details`}>{children}</div>
    </aside>
  );
}

let remembered = 0;

export function Section({ title, count, children }: { title: string; count?: number | undefined; children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}{count ? <span class="dim"> {count}</span> : null}</h3>
      {children}
    </section>
  );
}

// A list that renders what is in view: a hundred thousand rows are forty elements.
//
// Every row has the same height. What is being read stays where it is when rows are added or let
// go before it; at the end the list follows.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

export type Handle = {
  toIndex(index: number): void;
  toEnd(): void;
  /** The rows in view, the second not included. */
  visible(): [number, number];
};

type Props<Row> = {
  rows: Row[];
  height: number;
  /** Grows with every change of `rows`. */
  version: number;
  /** Where a row is now, or would be. */
  indexOf?: (row: Row) => number;
  render: (row: Row, index: number) => ComponentChildren;
  handle?: { current: Handle | null };
  /** Whether the list keeps its end in view when rows arrive. */
  follow?: boolean;
  onFollow?: (at: boolean) => void;
  onTop?: () => void;
  label: string;
  role?: 'grid' | 'treegrid';
  active?: string;
  class?: string;
  before?: ComponentChildren;
};

export function VirtualList<Row>(props: Props<Row>) {
  const { rows, height, version } = props;
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ row: Row; index: number } | null>(null);
  const following = useRef(props.follow ?? false);
  const [top, setTop] = useState(0);
  const [size, setSize] = useState(800);

  const first = Math.max(0, Math.min(rows.length, Math.floor(top / height)) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((top + size) / height) + OVERSCAN);

  const remember = (scrolled: boolean) => {
    const element = box.current!;
    const index = Math.floor(element.scrollTop / height);
    const row = rows[index];
    anchor.current = row === undefined ? null : { row, index };
    if (scrolled && props.onFollow) {
      const at = element.scrollTop + element.clientHeight >= element.scrollHeight - height * 1.5;
      if (at !== following.current) {
        following.current = at;
        props.onFollow(at);
      }
    }
  };
  const look = (scrolled: boolean) => {
    remember(scrolled);
    const element = box.current!;
    setTop(Math.floor(element.scrollTop / height) * height);
    if (element.scrollTop < height * 20 && (scrolled || element.scrollHeight <= element.clientHeight)) props.onTop?.();
  };

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => {
      setSize(element.clientHeight);
      if (following.current) element.scrollTop = element.scrollHeight;
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    following.current = props.follow ?? false;
    if (following.current) box.current!.scrollTop = box.current!.scrollHeight;
  }, [props.follow]);

  useLayoutEffect(() => {
    const element = box.current!;
    if (following.current) {
      element.scrollTop = element.scrollHeight;
    } else if (anchor.current && props.indexOf) {
      const { row, index } = anchor.current;
      if (rows[index] !== row) element.scrollTop += (props.indexOf(row) - index) * height;
    }
    look(false);
  }, [version, rows]);

  if (props.handle) {
    props.handle.current = {
      toIndex(index) {
        const element = box.current!;
        const start = index * height;
        if (start < element.scrollTop + height) element.scrollTop = Math.max(0, start - height * 2);
        else if (start + height * 2 > element.scrollTop + element.clientHeight) element.scrollTop = start + height * 3 - element.clientHeight;
      },
      toEnd() {
        box.current!.scrollTop = box.current!.scrollHeight;
      },
      visible() {
        const element = box.current!;
        return [
          Math.min(rows.length, Math.max(0, Math.floor(element.scrollTop / height))),
          Math.min(rows.length, Math.ceil((element.scrollTop + element.clientHeight) / height)),
        ];
      },
    };
  }

  return (
    <div
      ref={box}
      class={`virtual ${props.class ?? ''}`}
      role={props.role ?? 'grid'}
      aria-label={props.label}
      aria-rowcount={rows.length}
      aria-activedescendant={props.active}
      tabIndex={0}
      onScroll={() => look(true)}
    >
      <div class="extent" role="presentation" style={{ height: `${rows.length * height}px` }}>
        <div class="window" role="presentation" style={{ transform: `translateY(${first * height}px)` }}>
          {rows.slice(first, last).map((row, n) => props.render(row, first + n))}
        </div>
      </div>
    </div>
  );
}

const OVERSCAN = 10;

// What the collector's API answers; the shapes inside `record`, `span` and data points are OTLP/JSON.

export type AnyValue = {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number | string;
  bytesValue?: string;
  arrayValue?: { values?: AnyValue[] };
  kvlistValue?: { values?: KeyValue[] };
};

export type KeyValue = { key: string; value?: AnyValue };

export type Resource = { attributes?: KeyValue[]; droppedAttributesCount?: number; schemaUrl?: string };

export type Scope = { name?: string; version?: string; attributes?: KeyValue[]; schemaUrl?: string };

export type LogRecord = {
  timeUnixNano?: string;
  observedTimeUnixNano?: string;
  severityNumber?: number;
  severityText?: string;
  body?: AnyValue;
  attributes?: KeyValue[];
  droppedAttributesCount?: number;
  flags?: number;
  traceId?: string;
  spanId?: string;
  eventName?: string;
};

export type Link = 'linked' | 'unlinked' | 'orphaned' | 'pending';

export type LogItem = {
  seq: number;
  receivedAt: string;
  link: Link;
  service?: string;
  resource: Resource;
  scope: Scope;
  record: LogRecord;
  fromSpan?: boolean;
};

export type Span = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  flags?: number;
  name: string;
  kind?: number;
  startTimeUnixNano?: string;
  endTimeUnixNano?: string;
  attributes?: KeyValue[];
  droppedAttributesCount?: number;
  events?: { timeUnixNano?: string; name?: string; attributes?: KeyValue[] }[];
  droppedEventsCount?: number;
  links?: { traceId?: string; spanId?: string; attributes?: KeyValue[] }[];
  droppedLinksCount?: number;
  status?: { code?: number; message?: string };
};

export type SpanItem = {
  seq: number;
  receivedAt: string;
  state: 'ended' | 'pending';
  service?: string;
  resource: Resource;
  scope: Scope;
  span: Span;
};

export type LogsPage = { items: LogItem[]; next: string | null; scanned: number; truncated: boolean };

export type Bucket = { start: string } & Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'unset', number>;

export type Histogram = { from: string; to: string; bucketNanos: string; buckets: Bucket[] };

export type TraceItem = {
  traceId: string;
  rootName: string | null;
  rootMissing: boolean;
  services: string[];
  startUnixNano: string;
  durationNano: string;
  spans: number;
  logs: number;
  errors: number;
  pending: number;
  orphanedLogs: number;
  seq: number;
};

export type TracesPage = { items: TraceItem[]; next: string | null; scanned?: number; truncated?: boolean };

export type Trace = { traceId: string; spans: SpanItem[]; logs: LogItem[]; missingSpans: string[]; evicted: boolean };

export type DataPoint = {
  attributes?: KeyValue[];
  startTimeUnixNano?: string;
  timeUnixNano?: string;
  asDouble?: number | string;
  asInt?: string | number;
  count?: string | number;
  sum?: number | string;
  min?: number;
  max?: number;
  bucketCounts?: (string | number)[];
  explicitBounds?: number[];
  scale?: number;
  zeroCount?: string | number;
  positive?: { offset?: number; bucketCounts?: (string | number)[] };
  negative?: { offset?: number; bucketCounts?: (string | number)[] };
  quantileValues?: { quantile?: number; value?: number }[];
};

export type Metric = {
  name: string;
  description?: string;
  unit?: string;
  type: 'gauge' | 'sum' | 'histogram' | 'exponentialHistogram' | 'summary';
  temporality?: 'delta' | 'cumulative';
  monotonic?: boolean;
  service?: string;
  scope?: string | Scope;
  series: { attributes?: KeyValue[]; points: DataPoint[] }[];
};

export type Audit = {
  records: number;
  linked: number;
  unlinked: number;
  orphaned: number;
  pending: number;
  evicted: number;
  orphans: { seq: number; traceId: string; spanId: string; reason: string; body?: unknown }[];
};

export type Rejected = {
  id: number;
  at: string;
  signal: string;
  protocol: string;
  status: number;
  reason: string;
  bytes: number;
  headers: Record<string, string>;
};

/** What became of the items of one signal: received = delivered + pending + spooled + lost. */
export type Forwarded = { received: number; delivered: number; pending: number; spooled: number; lost: number; lostBy: Record<string, number> };

export type Status = {
  version: string;
  startedAt: string;
  listening: string[];
  counts?: Record<string, unknown>;
  kept?: { logs?: number; spans?: number; dataPoints?: number; bytes?: number; capacityBytes?: number; oldest?: string | null };
  files?: unknown;
  forward?: { url: string; logs: Forwarded; spans: Forwarded; dataPoints: Forwarded } | null;
};

export type Field = { key: string; source: string; count: number };

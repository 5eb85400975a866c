// Logs and a span of the OpenTelemetry SDK for Node, sent over the real exporter.
//
//   node otel_sdk.mjs json|proto|grpc ENDPOINT    ENDPOINT is a URL without a path
//
// The packages are where the folder that it runs in has them. Ends well only if all was taken.

import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const { context, trace } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchLogRecordProcessor, LoggerProvider } = require('@opentelemetry/sdk-logs');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');

const [how, endpoint] = process.argv.slice(2);
const exporters = { json: 'http', proto: 'proto', grpc: 'grpc' };
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${exporters[how]}`);
const url = how === 'grpc' ? endpoint : `${endpoint}/v1/logs`;
const compression = how === 'proto' ? 'gzip' : 'none';

const resource = resourceFromAttributes({ 'service.name': 'node-shop', replicas: 3 });
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url, compression }) })],
});
const spans = new BasicTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
});

const logger = logs.getLogger('shop.cart', '2.1.0');
const span = spans.getTracer('shop').startSpan('checkout');
logger.emit({
  context: trace.setSpan(context.active(), span),
  timestamp: [1700000000, 123456789],
  severityNumber: SeverityNumber.INFO,
  severityText: 'INFO',
  eventName: 'order.placed',
  body: { order: 42, lines: [{ sku: 'tea', price: 3.5 }, null], empty: {}, none: null },
  attributes: {
    text: 'gläsern',
    count: 9007199254740991,
    ratio: 0.5,
    whole: 2.0,
    yes: true,
    names: ['a', 'b'],
    nothing: [],
    bytes: new Uint8Array([0, 255]),
    deep: { n: { m: 1 } },
    nan: NaN,
    infinite: Infinity,
  },
});
logger.emit({ severityNumber: SeverityNumber.ERROR, body: 'outside any span' });
span.end();

// Without it the exporters only log what went wrong.
let failed = 0;
const { diag, DiagLogLevel } = require('@opentelemetry/api');
const complain = (...what) => {
  failed += 1;
  console.error(...what);
};
diag.setLogger({ error: complain, warn: complain, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);
await logs.forceFlush();
await spans.forceFlush();
await logs.shutdown();
await spans.shutdown();
process.exitCode = failed ? 1 : 0;

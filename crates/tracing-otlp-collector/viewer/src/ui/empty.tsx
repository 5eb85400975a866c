// What stands where nothing is: why, and what to do about it.
import { status } from '../lib/api';
import { copy } from '../lib/page';
import type { ComponentChildren } from 'preact';
import { Icon } from './icons';

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><h2>{title}</h2>{children}</div>;
}

/** How to make the first record arrive. */
export function Start({ what }: { what: string }) {
  const endpoint = (status.value?.listening ?? []).find((address) => address.startsWith('http')) ?? location.origin;
  const variables = `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_SERVICE_NAME=my-service`;
  const record = `curl ${endpoint}/v1/logs -H 'content-type: application/json' -d '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shell"}}]},"scopeLogs":[{"logRecords":[{"severityNumber":9,"severityText":"INFO","body":{"stringValue":"hello"}}]}]}]}'`;
  return (
    <Empty title={`No ${what} yet`}>
      <p>This collector listens, and nothing has arrived since it was started. Point an application at it:</p>
      <Snippet text={variables} label="environment" />
      <p>With gRPC set the protocol to <code>grpc</code>; every address of this collector takes both. Or send one record by hand:</p>
      <Snippet text={record} label="command" />
      <p class="dim">What arrives appears here by itself. What was refused is under Rejected.</p>
    </Empty>
  );
}

function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <div class="snippet">
      <pre>{text}</pre>
      <button class="plain" aria-label={`Copy the ${label}`} title="Copy" onClick={() => copy(text, `the ${label}`)}><Icon name="copy" /></button>
    </div>
  );
}

#!/usr/bin/env python3
"""Logs and a span of the OpenTelemetry SDK for Python, sent over the real exporter.

    otel_sdk.py http|grpc ENDPOINT       ENDPOINT is a URL without a path
    otel_sdk.py instrumented ENDPOINT    over HTTP, by opentelemetry-instrumentation-logging

Ends well only if everything was taken.
"""

import logging
import sys

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

how, endpoint = sys.argv[1:]
if how == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    log_exporter = OTLPLogExporter(endpoint=endpoint, insecure=True)
    span_exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    log_exporter = OTLPLogExporter(endpoint + "/v1/logs", compression=Compression.Gzip)
    span_exporter = OTLPSpanExporter(endpoint + "/v1/traces")

resource = Resource.create({"service.name": "python-shop", "replicas": 3, "zones": ["a", "b"]})
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
set_logger_provider(logs)
spans = TracerProvider(resource=resource)
spans.add_span_processor(BatchSpanProcessor(span_exporter))
trace.set_tracer_provider(spans)

if how == "instrumented":
    from opentelemetry.instrumentation.logging import LoggingInstrumentor

    LoggingInstrumentor().instrument()
else:
    logging.getLogger().addHandler(LoggingHandler(logger_provider=logs))
logging.getLogger().setLevel(logging.INFO)

logger = logging.getLogger("shop.cart")
typed = {
    "text": "gläsern",
    "empty_text": "",
    "count": 2**53 + 1,
    "negative": -7,
    "ratio": 0.5,
    "yes": True,
    "names": ["a", "b"],
    "mixed": {"deep": {"n": 1}, "list": [1, 2]},
}
with trace.get_tracer("shop").start_as_current_span("checkout") as span:
    logger.info("order %d placed", 42, extra=typed)
    try:
        raise ValueError("no more tea")
    except ValueError:
        logger.exception("order failed")
    # What `logging` cannot say.
    logs.get_logger("events", "1.2.3").emit(
        LogRecord(
            timestamp=1_700_000_000_123_456_789,
            severity_number=SeverityNumber.WARN2,
            severity_text="WARN2",
            event_name="tea.empty",
            body={"left": 0, "none": None, "raw": b"\x00\xff", "nothing": [], "sure": False},
            attributes={"bytes": b"\x01\x02", "infinite": float("inf"), "void": {}},
        )
    )
logger.warning("outside any span")

taken = [logs.force_flush(), spans.force_flush()]
logs.shutdown()
spans.shutdown()
sys.exit(0 if all(taken) else 1)

#!/usr/bin/env python3
"""What Logfire's Python SDK sends: logs as spans, and a pending span ahead of each span.

    logfire_sdk.py ENDPOINT    ENDPOINT is a URL without a path, where Logfire would be
"""

import sys

import logfire

logfire.configure(
    token="pylf_v1_local_0123456789abcdefghijklmnopqrstuvwxyz",
    send_to_logfire=True,
    service_name="logfire-shop",
    console=False,
    inspect_arguments=False,
    scrubbing=False,
    metrics=False,
    advanced=logfire.AdvancedOptions(base_url=sys.argv[1]),
)
with logfire.span("checkout {order=}", order=42):
    logfire.info("{count} items", count=3, basket={"tea": 2, "cups": [1, 2]}, sure=True, price=2.5)
    logfire.warn("low on tea")
    # What is open when a batch leaves goes ahead as a pending span.
    logfire.force_flush()
try:
    with logfire.span("payment"):
        raise ValueError("no more money")
except ValueError:
    pass
logfire.error("outside")
sys.exit(0 if logfire.force_flush() else 1)

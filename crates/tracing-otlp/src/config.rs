//! From variables and code to settings: code beats environment, a signal's own variable beats
//! the general one, and what nobody set is the default.

use std::num::NonZeroUsize;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
use opentelemetry_sdk::trace::Sampler;
use tracing_otlp_layer::Limits;
use tracing_otlp_pipeline::{BatchSettings, Compression, Destination, Protocol, Signal};

use crate::environment::{Environment, MASK, masked_url};
use crate::error::Error;

/// What the builder was told about destinations; `None` leaves it to the environment.
#[derive(Clone, Default)]
pub(crate) struct OtlpOverrides {
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) compression: Option<Compression>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
}

/// A variable of the OTLP exporter: the signal's own, then the general one.
fn otlp(signal: Signal, what: &str) -> [String; 2] {
    let name = signal_name(signal);
    [
        format!("OTEL_EXPORTER_OTLP_{name}_{what}"),
        format!("OTEL_EXPORTER_OTLP_{what}"),
    ]
}

fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "LOGS",
        _ => "TRACES",
    }
}

fn names(pair: &[String; 2]) -> [&str; 2] {
    [&pair[0], &pair[1]]
}

/// Where a signal goes; `None` where its exporter is `none`.
///
/// Source: specification, "OpenTelemetry Protocol Exporter".
pub(crate) fn destination(
    environment: &Environment,
    signal: Signal,
    code: &OtlpOverrides,
) -> Result<Option<Destination>, Error> {
    if !exports(environment, signal)? {
        return Ok(None);
    }
    let bad = |name: &str, value: &str, error: tracing_otlp_pipeline::Error| {
        Error::variable(name, value, error)
    };

    let protocol_names = otlp(signal, "PROTOCOL");
    let protocol = match (code.protocol, environment.first(&names(&protocol_names))?) {
        (Some(protocol), _) => protocol,
        (None, Some((name, value))) => value.parse().map_err(|e| bad(name, &value, e))?,
        (None, None) => Protocol::default(),
    };

    // Only here is it known whose endpoint it is.
    let has_scheme = |name: &str, endpoint: &str| {
        if protocol == Protocol::Grpc || endpoint.contains("://") {
            return Ok(());
        }
        let problem = "must start with http:// or https://";
        Err(Error::variable(name, &masked_url(endpoint), problem))
    };
    let [own, general] = otlp(signal, "ENDPOINT");
    let destination = if let Some(endpoint) = &code.endpoint {
        has_scheme("with_endpoint", endpoint)?;
        Destination::from_base(signal, endpoint)
            .map_err(|e| bad("with_endpoint", &masked_url(endpoint), e))?
    } else if let Some(endpoint) = environment.text(&own)? {
        has_scheme(&own, &endpoint)?;
        Destination::new(signal, &schemed(environment, signal, protocol, &endpoint)?)
            .map_err(|e| bad(&own, &masked_url(&endpoint), e))?
    } else if let Some(endpoint) = environment.text(&general)? {
        has_scheme(&general, &endpoint)?;
        Destination::from_base(signal, &schemed(environment, signal, protocol, &endpoint)?)
            .map_err(|e| bad(&general, &masked_url(&endpoint), e))?
    } else {
        let port = if protocol == Protocol::Grpc {
            4317
        } else {
            4318
        };
        Destination::from_base(signal, &format!("http://localhost:{port}"))
            .map_err(Error::pipeline)?
    };
    let mut destination = destination.with_protocol(protocol);

    let compression_names = otlp(signal, "COMPRESSION");
    if let Some(compression) = code.compression {
        destination = destination.with_compression(compression);
    } else if let Some((name, value)) = environment.first(&names(&compression_names))? {
        destination =
            destination.with_compression(value.parse().map_err(|e| bad(name, &value, e))?);
    }

    let timeout_names = otlp(signal, "TIMEOUT");
    if let Some(timeout) = code.timeout {
        destination = destination.with_timeout(timeout);
    } else if let Some(timeout) = environment.milliseconds(&names(&timeout_names))? {
        destination = destination.with_timeout(timeout);
    }

    // Headers of the environment first: those set in code replace them name by name.
    let header_names = otlp(signal, "HEADERS");
    if let Some((name, pairs)) = environment.pairs(&names(&header_names), true)? {
        for (key, value) in pairs {
            destination = destination
                .with_header(&key, &value)
                .map_err(|_| Error::variable(&name, MASK, BAD_HEADER))?;
        }
    }
    for (key, value) in &code.headers {
        destination = destination
            .with_header(key, value)
            .map_err(|_| Error::variable("with_header", MASK, BAD_HEADER))?;
    }
    unsupported(environment, signal)?;
    Ok(Some(destination))
}

/// Says nothing of the header: a secret in the wrong place may be its name.
const BAD_HEADER: &str = "a header's name or value has characters that are not allowed there";

/// gRPC allows `host:port`; `INSECURE` says whether that means http or https.
fn schemed(
    environment: &Environment,
    signal: Signal,
    protocol: Protocol,
    endpoint: &str,
) -> Result<String, Error> {
    if protocol == Protocol::Grpc && !endpoint.contains("://") {
        let [own, general] = otlp(signal, "INSECURE");
        let insecure = match environment.flag(&own)? {
            None => environment.flag(&general)?,
            set => set,
        };
        if insecure == Some(false) {
            return Ok(format!("https://{endpoint}"));
        }
    }
    Ok(endpoint.to_owned())
}

/// Certificates are a matter of trust: pretending to honour them would be worse than refusing.
fn unsupported(environment: &Environment, signal: Signal) -> Result<(), Error> {
    for what in ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"] {
        if let Some((name, value)) = environment.first(&names(&otlp(signal, what)))? {
            return Err(Error::variable(
                name,
                &value,
                "not supported yet; unset it to use the system's roots",
            ));
        }
    }
    Ok(())
}

/// `OTEL_LOGS_EXPORTER` and its like: is `otlp` among them?
fn exports(environment: &Environment, signal: Signal) -> Result<bool, Error> {
    let name = format!("OTEL_{}_EXPORTER", signal_name(signal));
    let Some(text) = environment.text(&name)? else {
        return Ok(true);
    };
    let mut otlp = false;
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part {
            "otlp" => otlp = true,
            // The console is a layer of its own: TRACING_OTLP_CONSOLE.
            "console" if signal == Signal::Logs => {}
            "none" => return Ok(false),
            _ => {
                return Err(Error::variable(
                    &name,
                    &text,
                    "expected otlp or none, or console for logs",
                ));
            }
        }
    }
    Ok(otlp)
}

/// `OTEL_BLRP_*` or `OTEL_BSP_*`. Source: specification, "Batch `LogRecord` Processor".
pub(crate) fn batch(
    environment: &Environment,
    signal: Signal,
    code: Option<BatchSettings>,
) -> Result<BatchSettings, Error> {
    let (prefix, default) = match signal {
        Signal::Logs => ("OTEL_BLRP", BatchSettings::logs()),
        _ => ("OTEL_BSP", BatchSettings::spans()),
    };
    if let Some(code) = code {
        return Ok(code);
    }
    let name = |what: &str| format!("{prefix}_{what}");
    let mut settings = default;
    if let Some(delay) = environment.milliseconds(&[&name("SCHEDULE_DELAY")])? {
        settings = settings.with_scheduled_delay(delay);
    }
    if let Some(timeout) = environment.milliseconds(&[&name("EXPORT_TIMEOUT")])? {
        settings = settings.with_export_timeout(timeout);
    }
    let batch_name = name("MAX_EXPORT_BATCH_SIZE");
    let size = environment.count(&[&batch_name])?;
    let queue_name = name("MAX_QUEUE_SIZE");
    if let Some(queue) = environment.count(&[&queue_name])? {
        if queue.get() > BatchSettings::MAX_QUEUE_SIZE {
            let problem = format!("must not be above {}", BatchSettings::MAX_QUEUE_SIZE);
            return Err(Error::variable(&queue_name, &queue.to_string(), problem));
        }
        settings = settings.with_max_queue_size(queue);
    }
    if let Some(size) = size {
        if size > settings.max_queue_size() {
            let problem = format!(
                "must not be above {prefix}_MAX_QUEUE_SIZE={}",
                settings.max_queue_size()
            );
            return Err(Error::variable(&batch_name, &size.to_string(), problem));
        }
        settings = settings.with_max_export_batch_size(size);
    }
    let batch = settings.max_export_batch_size();
    let most = match signal {
        // A worker is woken by a full batch, and the least severe may fill half of the queue.
        Signal::Logs => half(settings.max_queue_size()),
        _ => settings.max_queue_size(),
    };
    if batch > most {
        settings = settings.with_max_export_batch_size(most);
    }
    Ok(settings)
}

/// Rounded up.
fn half(number: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::new(number.get().div_ceil(2)).unwrap_or(number)
}

/// `OTEL_TRACES_SAMPLER`. Source: specification, "General SDK Configuration".
pub(crate) fn sampler(environment: &Environment) -> Result<Sampler, Error> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let Some(text) = environment.text(NAME)? else {
        return Ok(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
    };
    let ratio = || -> Result<Sampler, Error> {
        const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
        let ratio: f64 = environment
            .parsed(&[ARG], "a number from 0 to 1")?
            .unwrap_or(1.0);
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Error::variable(
                ARG,
                &ratio.to_string(),
                "expected a number from 0 to 1",
            ));
        }
        Ok(Sampler::TraceIdRatioBased(ratio))
    };
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    Ok(match text.as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => ratio()?,
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent_based(ratio()?),
        _ => {
            return Err(Error::variable(
                NAME,
                &text,
                "expected always_on, always_off, traceidratio, parentbased_always_on, \
                 parentbased_always_off or parentbased_traceidratio",
            ));
        }
    })
}

/// Attribute limits. Source: specification, "`LogRecord` Limits".
pub(crate) fn limits(environment: &Environment) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    let number = "a whole number";
    if let Some(count) = environment.parsed(
        &[
            "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
        ],
        number,
    )? {
        limits = limits.with_attribute_count(count);
    }
    if let Some(length) = environment.parsed(
        &[
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ],
        number,
    )? {
        limits = limits.with_value_length(length);
    }
    Ok(limits)
}

/// Who speaks. Source: specification, "Resource SDK"; semantic conventions, "Resource".
///
/// `OTEL_SERVICE_NAME` beats a `service.name` among `OTEL_RESOURCE_ATTRIBUTES`, and attributes
/// set in code beat both.
pub(crate) fn resource(environment: &Environment, code: &[KeyValue]) -> Result<Resource, Error> {
    let mut attributes: Vec<KeyValue> = Vec::new();
    if let Some((_, pairs)) = environment.pairs(&["OTEL_RESOURCE_ATTRIBUTES"], false)? {
        attributes.extend(
            pairs
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value)),
        );
    }
    if let Some(name) = environment.text("OTEL_SERVICE_NAME")? {
        attributes.push(KeyValue::new("service.name", name));
    }
    attributes.extend_from_slice(code);
    let unnamed = Resource::builder_empty().with_attribute(KeyValue::new(
        "service.name",
        match executable() {
            Some(name) => format!("unknown_service:{name}"),
            None => "unknown_service".to_owned(),
        },
    ));
    Ok(unnamed
        .with_attributes(
            TelemetryResourceDetector
                .detect()
                .iter()
                .map(|(key, value)| KeyValue::new(key.clone(), value.clone())),
        )
        .with_attribute(KeyValue::new("telemetry.distro.name", "tracing-otlp"))
        .with_attribute(KeyValue::new(
            "telemetry.distro.version",
            env!("CARGO_PKG_VERSION"),
        ))
        .with_attributes(attributes)
        .build())
}

fn executable() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The batch settings of logs with these variables set, as `queue/batch/delay/timeout`.
    fn of(variables: &'static [(&str, &str)]) -> Result<String, String> {
        let environment = Environment::from_fn(move |asked| {
            let set = variables.iter().find(|(name, _)| *name == asked);
            set.map(|(_, value)| (*value).to_owned())
        });
        let settings = batch(&environment, Signal::Logs, None);
        settings.map_err(|error| error.to_string()).map(|settings| {
            format!(
                "{}/{}/{}/{}",
                settings.max_queue_size(),
                settings.max_export_batch_size(),
                settings.scheduled_delay().as_millis(),
                settings.export_timeout().as_millis()
            )
        })
    }

    #[test]
    fn each_variable_of_a_batch_beats_its_default_and_no_other() {
        const QUEUE: &str = "OTEL_BLRP_MAX_QUEUE_SIZE";
        const BATCH: &str = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE";
        for (variables, expected) in [
            (&[][..], "32768/512/1000/30000"),
            (&[(QUEUE, "2048")], "2048/512/1000/30000"),
            (&[(QUEUE, "8388608")], "8388608/512/1000/30000"),
            // What is above half of it is lowered.
            (&[(QUEUE, "1024")], "1024/512/1000/30000"),
            (&[(QUEUE, "101")], "101/51/1000/30000"),
            (&[(QUEUE, "1")], "1/1/1000/30000"),
            (&[(BATCH, "1024")], "32768/1024/1000/30000"),
            (&[(BATCH, "8"), (QUEUE, "8")], "8/4/1000/30000"),
            (&[("OTEL_BLRP_SCHEDULE_DELAY", "7")], "32768/512/7/30000"),
            (&[("OTEL_BLRP_EXPORT_TIMEOUT", "9")], "32768/512/1000/9"),
            (&[(QUEUE, " "), (BATCH, "")], "32768/512/1000/30000"),
        ] {
            assert_eq!(of(variables).as_deref(), Ok(expected), "{variables:?}");
        }
        for (variables, blamed) in [
            (&[(QUEUE, "8388609")][..], QUEUE),
            (&[(QUEUE, "8"), (BATCH, "9")], BATCH),
            (&[(BATCH, "32769")], BATCH),
        ] {
            let error = of(variables).expect_err("too large");
            assert!(error.starts_with(blamed), "{error}");
        }
    }
}

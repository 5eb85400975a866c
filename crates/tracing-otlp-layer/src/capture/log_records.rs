//! Records of the `log` crate: their real target, place and key-values.
//!
//! Part of capture, first stop on the way of an event. `tracing-log` turns a record into an event
//! whose target is "log" and whose facts stand in fields called `log.*`; key-values it drops. The
//! [`LogBridge`] hands them past it, on the side, to the layer that reads the event.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use opentelemetry::logs::{AnyValue, LogRecord};
use tracing_core::Field;
use tracing_core::field::Visit;
use tracing_log::LogTracer;

use super::fields::Fields;
use crate::draft::Draft;
use crate::draft::error::PANICKED;
use crate::draft::limits::Bounded;
use crate::guard;

thread_local! {
    /// The key-values of the record that this thread is logging right now.
    static KEY_VALUES: RefCell<Vec<(String, AnyValue)>> = const { RefCell::new(Vec::new()) };
}

/// A logger for the `log` crate that feeds `tracing`, with key-values kept.
///
/// Every layer sees the record as `tracing-log` has it; a [`LogLayer`](crate::LogLayer) sees the
/// record's own target, file, line, module and key-values. Use it in place of
/// `tracing_log::LogTracer` (with tracing-subscriber's `tracing-log` feature off, or
/// `try_init` finds the place taken).
#[derive(Debug)]
pub struct LogBridge {
    tracer: LogTracer,
}

/// The `log` crate already has a logger.
#[derive(Debug)]
pub struct InstallLogBridgeError(log::SetLoggerError);

impl fmt::Display for InstallLogBridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log crate already has a logger")
    }
}

impl std::error::Error for InstallLogBridgeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Default for LogBridge {
    fn default() -> Self {
        Self {
            tracer: LogTracer::new(),
        }
    }
}

impl LogBridge {
    /// Makes this the process's logger, for records up to `max_level`.
    ///
    /// # Errors
    ///
    /// When the `log` crate already has a logger; that one stays.
    pub fn install(max_level: log::LevelFilter) -> Result<(), InstallLogBridgeError> {
        log::set_boxed_logger(Box::new(Self::default())).map_err(InstallLogBridgeError)?;
        log::set_max_level(max_level);
        Ok(())
    }
}

impl log::Log for LogBridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        log::Log::enabled(&self.tracer, metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let key_values = read(record.key_values());
        // A record logged while this one is formatted must not find, nor take, our key-values.
        let outer = swap(key_values);
        self.tracer.log(record);
        drop(swap(outer));
    }

    fn flush(&self) {
        self.tracer.flush();
    }
}

fn swap(key_values: Vec<(String, AnyValue)>) -> Vec<(String, AnyValue)> {
    KEY_VALUES
        .try_with(|slot| {
            slot.try_borrow_mut()
                .map(|mut slot| std::mem::replace(&mut *slot, key_values))
        })
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

/// Calls `f` with the key-values of the record at hand, out of reach of nested records.
pub(crate) fn with_key_values(mut f: impl FnMut(&str, &AnyValue)) {
    let key_values = KEY_VALUES
        .try_with(|slot| slot.try_borrow().map(|slot| slot.clone()))
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    for (key, value) in &key_values {
        f(key, value);
    }
}

fn read(source: &dyn kv::Source) -> Vec<(String, AnyValue)> {
    struct Reader(Vec<(String, AnyValue)>);
    impl<'kvs> VisitSource<'kvs> for Reader {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let value = guard::formatting(|| {
                let mut reader = ValueReader(None);
                let read = value.visit(&mut reader);
                (read.is_ok(), reader.0)
            });
            let value = match value {
                Some((true, value)) => value,
                Some((false, _)) | None => Some(AnyValue::String(PANICKED.into())),
            };
            if let Some(value) = value {
                self.0.push((key.as_str().to_owned(), value));
            }
            Ok(())
        }
    }
    let mut reader = Reader(Vec::new());
    // A source that fails keeps the pairs it gave before.
    let _ = source.visit(&mut reader);
    reader.0
}

struct ValueReader(Option<AnyValue>);

/// An integer where it fits, else its decimal text.
fn integer<T: TryInto<i64> + fmt::Display + Copy>(value: T) -> AnyValue {
    value.try_into().map_or_else(
        |_| AnyValue::String(value.to_string().into()),
        AnyValue::Int,
    )
}

impl VisitValue<'_> for ValueReader {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        let mut text = Bounded::new(usize::MAX);
        let _ = write!(text, "{value}");
        self.0 = Some(AnyValue::String(text.text.into()));
        Ok(())
    }
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = None;
        Ok(())
    }
    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Some(integer(value));
        Ok(())
    }
    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = Some(AnyValue::Int(value));
        Ok(())
    }
    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.0 = Some(integer(value));
        Ok(())
    }
    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.0 = Some(integer(value));
        Ok(())
    }
    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = Some(AnyValue::Double(value));
        Ok(())
    }
    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = Some(AnyValue::Boolean(value));
        Ok(())
    }
    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = Some(AnyValue::String(value.to_owned().into()));
        Ok(())
    }
}

/// What an event of the bridge says of its record: reads `log.*`, and formats nothing.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) target: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<i64>,
}

impl Visit for Place {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TARGET => self.target = Some(value.to_owned()),
            MODULE => self.module = Some(value.to_owned()),
            FILE => self.file = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == LINE {
            self.line = i64::try_from(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Reads the rest of such an event into the draft.
pub(crate) struct LogFields<'a, R>(pub(crate) Fields<Draft<'a, R>>);

impl<R: LogRecord> Visit for LogFields<'_, R> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !matches!(field.name(), TARGET | MODULE | FILE) {
            self.0.record_str(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != LINE {
            self.0.record_u64(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.record_debug(field, value);
    }
}

const TARGET: &str = "log.target";
const MODULE: &str = "log.module_path";
const FILE: &str = "log.file";
const LINE: &str = "log.line";

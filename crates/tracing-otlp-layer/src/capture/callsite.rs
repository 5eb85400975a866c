//! Facts that every event of a call site shares, worked out once.
//!
//! Part of capture, first stop on the way of an event. The logger of a target's instrumentation
//! scope is one of them, so a record reaches its scope without a lookup by name; what each field
//! means is another, so no name is compared.

use std::borrow::Cow;
#[cfg(feature = "log")]
use std::collections::HashMap;
#[cfg(feature = "log")]
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LoggerProvider, Severity};
use tracing_core::{Level, Metadata};

use super::once_map::OnceMap;
use super::severity;
use crate::draft::keys::FieldFacts;
use crate::guard;
use crate::settings::{Settings, UnsampledPolicy};

/// Loggers kept for the targets of `log` records, which are not known at compile time. More
/// targets than this share one logger each call, made and thrown away.
#[cfg(feature = "log")]
const MAX_DYNAMIC_TARGETS: usize = 1024;

/// What is known of an event before any of its fields is read.
#[cfg_attr(
    feature = "log",
    expect(clippy::struct_excessive_bools, reason = "facts, not states")
)]
pub(crate) struct Facts<L> {
    pub(crate) logger: L,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) severity: Severity,
    pub(crate) severity_text: &'static str,
    /// Only a name that the caller gave, never the call site's default.
    pub(crate) event_name: Option<&'static str>,
    pub(crate) file: Option<&'static str>,
    pub(crate) line: Option<i64>,
    /// Only where it says more than the target.
    pub(crate) module: Option<&'static str>,
    pub(crate) fields: FieldFacts,
    /// An event of the `log` crate's bridge: its facts stand in its fields.
    #[cfg(feature = "log")]
    pub(crate) is_log: bool,
    /// Its events may say their severity themselves.
    pub(crate) says_severity: bool,
    /// The settings want more than the fields: source, thread or spans.
    pub(crate) has_more: bool,
    /// The logger can be asked whether it wants the event before anything else is known.
    pub(crate) asks_first: bool,
}

/// Makes the logger of a scope; the provider is behind it.
type MakeLogger<L> = Box<dyn Fn(InstrumentationScope) -> L + Send + Sync>;

/// The facts of every call site seen so far.
pub(crate) struct Callsites<L> {
    make: MakeLogger<L>,
    /// By the address of the metadata. `Identifier` is no key: it is equal for the call sites of
    /// the `log` crate's five levels, which have no size and may share one address.
    known: OnceMap<Facts<L>>,
    #[cfg(feature = "log")]
    targets: RwLock<HashMap<String, Arc<L>>>,
}

impl<L> Callsites<L> {
    pub(crate) fn new<P>(provider: P) -> Self
    where
        P: LoggerProvider<Logger = L> + Send + Sync + 'static,
    {
        Self {
            make: Box::new(move |scope| provider.logger_with_scope(scope)),
            known: OnceMap::new(),
            #[cfg(feature = "log")]
            targets: RwLock::default(),
        }
    }

    #[inline]
    pub(crate) fn known(&self, metadata: &'static Metadata<'static>) -> Option<&Facts<L>> {
        self.known.get(std::ptr::from_ref(metadata).addr())
    }

    #[cold]
    pub(crate) fn learn(
        &self,
        metadata: &'static Metadata<'static>,
        settings: &Settings,
    ) -> &Facts<L> {
        // Other people's code (the severity rule, the provider). What it logs stays out: the SDK
        // tells at DEBUG of every logger it makes, and the facts of that event would want a logger
        // made, without end.
        let facts = guard::emitting(|| self.work_out(metadata, settings));
        self.known
            .insert(std::ptr::from_ref(metadata).addr(), facts)
    }

    fn work_out(&self, metadata: &'static Metadata<'static>, settings: &Settings) -> Facts<L> {
        let target = metadata.target();
        let severity = severity::of_call_site(metadata, settings);
        let says_severity = severity::is_given_by_events(metadata);
        Facts {
            logger: (self.make)(scope_of(target.into(), settings)),
            target,
            level: *metadata.level(),
            severity,
            severity_text: severity.name(),
            event_name: given_name(metadata),
            file: metadata.file(),
            line: metadata.line().map(i64::from),
            module: metadata.module_path().filter(|module| *module != target),
            fields: FieldFacts::of(metadata.fields(), &settings.limits),
            #[cfg(feature = "log")]
            is_log: is_log(metadata),
            says_severity,
            has_more: settings.source || settings.thread || !settings.span_fields.is_off(),
            asks_first: !is_log(metadata)
                && !says_severity
                && settings.unsampled != UnsampledPolicy::Drop,
        }
    }

    /// The logger of a target that is only known at run time.
    #[cfg(feature = "log")]
    pub(crate) fn logger_of(&self, target: &str, settings: &Settings) -> Arc<L> {
        if let Some(logger) = self
            .targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(target)
        {
            return Arc::clone(logger);
        }
        let scope = scope_of(target.to_owned().into(), settings);
        let logger = Arc::new(guard::emitting(|| (self.make)(scope)));
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        if targets.len() < MAX_DYNAMIC_TARGETS {
            targets.insert(target.to_owned(), Arc::clone(&logger));
        }
        logger
    }
}

/// The scope of a target: what the user said of it (or of the module above it), else its name.
fn scope_of(target: Cow<'static, str>, settings: &Settings) -> InstrumentationScope {
    let known = settings
        .scopes
        .iter()
        .filter(|scope| {
            target
                .strip_prefix(scope.name())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
        .max_by_key(|scope| scope.name().len());
    let mut builder = InstrumentationScope::builder(target);
    if let Some(known) = known {
        if let Some(version) = known.version() {
            builder = builder.with_version(version.to_owned());
        }
        if let Some(url) = known.schema_url() {
            builder = builder.with_schema_url(url.to_owned());
        }
        builder = builder.with_attributes(known.attributes().cloned());
    }
    builder.build()
}

/// The name, unless it is the `event FILE:LINE` that the macros put where none was given.
fn given_name(metadata: &'static Metadata<'static>) -> Option<&'static str> {
    let name = metadata.name();
    let Some(place) = name.strip_prefix("event ") else {
        return (!is_log(metadata)).then_some(name);
    };
    let is_default = match (metadata.file(), metadata.line()) {
        (Some(file), Some(line)) => {
            place
                .strip_prefix(file)
                .and_then(|rest| rest.strip_prefix(':'))
                == Some(line.to_string().as_str())
        }
        _ => false,
    };
    (!is_default).then_some(name)
}

#[cfg(feature = "log")]
fn is_log(metadata: &'static Metadata<'static>) -> bool {
    use tracing_log::AsTrace as _;

    // The bridge's call sites are known by identity: a field that happens to be called
    // `log.file` on an ordinary event is the application's own.
    let level = match *metadata.level() {
        Level::TRACE => log::Level::Trace,
        Level::DEBUG => log::Level::Debug,
        Level::INFO => log::Level::Info,
        Level::WARN => log::Level::Warn,
        Level::ERROR => log::Level::Error,
    };
    let identity = log::Metadata::builder().level(level).build().as_trace();
    // They have no size, so the application's own may share their address: hence the name too.
    metadata.name() == "log event" && identity.callsite() == metadata.callsite()
}

#[cfg(not(feature = "log"))]
fn is_log(_: &'static Metadata<'static>) -> bool {
    false
}

//! Errors: `exception.*` with type, message and source chain.
//!
//! Part of the draft, third stop on the way of an event. `tracing` hands an error over as
//! `&dyn Error`, which knows neither its type's name nor its backtrace; [`exception`] keeps both.
//!
//! Source: semantic conventions, "Exceptions in logs".

use std::any::type_name;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt::{self, Write as _};

use opentelemetry::logs::{AnyValue, LogRecord};

use super::Draft;
use super::keys::OwnKey;
use super::limits::Bounded;
use crate::capture::text::Text;
use crate::guard;

/// How many sources of an error are followed. An error that is its own source must not hang us.
const MAX_CHAIN: usize = 64;

/// Wraps an error for the stock macros so that its type name, sources and backtrace survive.
///
/// The record gets `exception.type`, `exception.message` and `exception.stacktrace` (the source
/// chain, and a backtrace taken here where `RUST_BACKTRACE` asks for one); the field itself holds
/// the message. Other layers see an ordinary error.
///
/// # Examples
///
/// ```
/// # use tracing_otlp_layer::exception;
/// if let Err(error) = "x".parse::<u8>() {
///     tracing::error!(error = exception(&error), "bad port");
/// }
/// ```
pub fn exception<E>(error: &E) -> Box<dyn Error + Send + Sync>
where
    E: Error + ?Sized,
{
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    capture(error, backtrace)
}

/// Like [`exception`], with a backtrace the caller already has, for example the one an `anyhow`
/// error took where it arose.
pub fn exception_with_backtrace<E>(
    error: &E,
    backtrace: &dyn fmt::Display,
) -> Box<dyn Error + Send + Sync>
where
    E: Error + ?Sized,
{
    capture(error, guard::formatting(|| backtrace.to_string()))
}

fn capture<E>(error: &E, backtrace: Option<String>) -> Box<dyn Error + Send + Sync>
where
    E: Error + ?Sized,
{
    let name = type_name::<E>();
    let messages = guard::formatting(|| {
        let mut messages = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            if messages.len() > MAX_CHAIN {
                break;
            }
            messages.push(error.to_string());
            source = error.source();
        }
        messages
    })
    .unwrap_or_else(|| vec![PANICKED.to_owned()]);
    let mut chain = None;
    for message in messages.into_iter().rev() {
        chain = Some(Box::new(Link {
            message,
            source: chain,
        }));
    }
    Box::new(Exception {
        type_name: (!name.starts_with("dyn ")).then_some(name),
        chain: chain.unwrap_or_else(|| {
            Box::new(Link {
                message: String::new(),
                source: None,
            })
        }),
        backtrace,
    })
}

/// What a field reads as whose own formatting panicked.
pub(crate) const PANICKED: &str = "<panicked while formatting>";

/// An error turned into values of its own, so that it can outlive its origin.
#[derive(Debug)]
pub(crate) struct Exception {
    type_name: Option<&'static str>,
    chain: Box<Link>,
    backtrace: Option<String>,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain.message)
    }
}

impl Error for Exception {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.chain.source()
    }
}

#[derive(Debug)]
struct Link {
    message: String,
    source: Option<Box<Link>>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|link| link as _)
    }
}

/// The text of an error, cut at `limit` bytes.
pub(crate) fn message(error: &(dyn Error + 'static), limit: usize) -> String {
    let mut text = Bounded::new(limit);
    match guard::formatting(|| write!(text, "{error}")) {
        Some(_) => text.text,
        None => PANICKED.to_owned(),
    }
}

/// Fills `exception.*` from the first error of an event.
pub(crate) fn describe<R: LogRecord>(
    draft: &mut Draft<'_, R>,
    error: &(dyn Error + 'static),
    message: &Text,
) {
    if !draft.is_first_exception() {
        return;
    }
    let limit = draft.limits.value_length;
    let ours = error.downcast_ref::<Exception>();
    let name = match ours {
        Some(exception) => exception.type_name,
        None => known_type(error),
    };
    if let Some(name) = name {
        let value = AnyValue::String(name.into());
        draft.add_own(OwnKey::ExceptionType, value, name.len());
    }
    draft.add_own(
        OwnKey::ExceptionMessage,
        message.clone().into_value(),
        message.as_str().len(),
    );

    let backtrace = ours.and_then(|exception| exception.backtrace.as_deref());
    if error.source().is_some() || backtrace.is_some() {
        let mut text = Bounded::new(limit);
        // An Err here says that the limit was reached, or that a Display failed: keep what is there.
        let message = message.as_str();
        let _ = guard::formatting(|| stacktrace(&mut text, name, message, error, backtrace));
        draft.add_own_text(OwnKey::ExceptionStacktrace, Text::of(&text.text));
    }
}

fn stacktrace(
    text: &mut Bounded,
    name: Option<&str>,
    message: &str,
    error: &(dyn Error + 'static),
    backtrace: Option<&str>,
) -> fmt::Result {
    if let Some(name) = name {
        write!(text, "{name}: ")?;
    }
    text.write_str(message)?;
    let mut source = error.source();
    if source.is_some() {
        text.write_str("\n\nCaused by:")?;
    }
    for number in 0..MAX_CHAIN {
        let Some(error) = source else { break };
        write!(text, "\n    {number}: {error}")?;
        source = error.source();
    }
    if let Some(backtrace) = backtrace {
        write!(text, "\n\nStack backtrace:\n{backtrace}")?;
    }
    Ok(())
}

/// The type names of the standard library's errors, which a `dyn Error` still lets us ask for.
fn known_type(error: &(dyn Error + 'static)) -> Option<&'static str> {
    macro_rules! first_of {
        ($($type:ty),* $(,)?) => {
            $(if error.is::<$type>() {
                return Some(type_name::<$type>());
            })*
        };
    }
    first_of!(
        std::io::Error,
        fmt::Error,
        std::num::ParseIntError,
        std::num::ParseFloatError,
        std::num::TryFromIntError,
        std::str::Utf8Error,
        std::string::FromUtf8Error,
        std::str::ParseBoolError,
        std::char::ParseCharError,
        std::net::AddrParseError,
        std::env::VarError,
        std::time::SystemTimeError,
        std::sync::mpsc::RecvError,
        std::sync::mpsc::RecvTimeoutError,
        std::sync::mpsc::TryRecvError,
        std::thread::AccessError,
        std::cell::BorrowError,
        std::cell::BorrowMutError,
    );
    None
}

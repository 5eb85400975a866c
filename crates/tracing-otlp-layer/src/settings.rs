//! The choices a user can make, as values documented by what the user will see.
//!
//! They are read at every stop of the way inside this crate and never change after the layer
//! was built.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use tracing_core::Metadata;

/// What happens to a record whose trace was not sampled, so that its span is never exported.
///
/// The specification's default is [`Keep`](Self::Keep); ours is [`Detach`](Self::Detach), because
/// a backend shows kept ids as a missing span. Source: Logs SDK, "trace based" and Logs data
/// model, "Trace Context Fields".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsampledPolicy {
    /// The record is exported without ids: nothing points at a span nobody has. The default.
    #[default]
    Detach,
    /// The record keeps trace id, span id and flags, as the specification has it.
    Keep,
    /// The record has no ids, but plain attributes `trace_id` and `span_id` to search for.
    KeepAsAttributes,
    /// The record is dropped with its trace (`trace_based`), except WARN and above, which are
    /// exported without ids.
    Drop,
}

/// Which fields of the open spans an event's record carries, beside its own.
///
/// Off by default: the spans themselves carry them. The innermost span's value wins where two
/// spans share a field's name, and the event's own value wins over both. The span fields that
/// steer the trace layer (`otel.name`, `otel.kind`, `otel.status_*`) are never copied, nor is
/// `otel.dropped_attributes_count`.
#[derive(Debug, Clone, Default)]
pub struct SpanFields {
    pub(crate) select: Select,
    pub(crate) prefix: Option<Arc<str>>,
    pub(crate) name_key: Option<&'static str>,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum Select {
    #[default]
    Off,
    All,
    Globs {
        include: Vec<String>,
        exclude: Vec<String>,
    },
}

impl SpanFields {
    /// No span fields on records. The default.
    pub fn off() -> Self {
        Self::default()
    }

    /// Every field of every open span, outermost to innermost.
    pub fn all() -> Self {
        Self {
            select: Select::All,
            ..Self::default()
        }
    }

    /// Fields whose name matches one of `include` and none of `exclude`.
    ///
    /// `*` stands for any number of characters, `?` for exactly one. An empty `include` means
    /// every field.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tracing_otlp_layer::SpanFields;
    /// let fields = SpanFields::matching(["http.*", "user_id"], ["http.request.body*"]);
    /// ```
    pub fn matching<I, E>(include: I, exclude: E) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
        E: IntoIterator,
        E::Item: Into<String>,
    {
        Self {
            select: Select::Globs {
                include: include.into_iter().map(Into::into).collect(),
                exclude: exclude.into_iter().map(Into::into).collect(),
            },
            ..Self::default()
        }
    }

    /// Puts `prefix` before the name of every span field, for example `"span."`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = (!prefix.is_empty()).then(|| Arc::from(prefix));
        self
    }

    /// Adds the innermost open span's name to the record under `key`, for example `"span.name"`.
    #[must_use]
    pub fn with_span_name(mut self, key: &'static str) -> Self {
        self.name_key = Some(key);
        self
    }

    pub(crate) fn is_off(&self) -> bool {
        matches!(self.select, Select::Off) && self.name_key.is_none()
    }

    pub(crate) fn takes(&self, field: &str) -> bool {
        if field.starts_with("otel.")
            && matches!(
                field,
                "otel.name"
                    | "otel.kind"
                    | "otel.status_code"
                    | "otel.status_description"
                    // It is the record's own.
                    | "otel.dropped_attributes_count"
            )
        {
            return false;
        }
        match &self.select {
            Select::Off => false,
            Select::All => true,
            Select::Globs { include, exclude } => {
                (include.is_empty() || include.iter().any(|glob| glob_matches(glob, field)))
                    && !exclude.iter().any(|glob| glob_matches(glob, field))
            }
        }
    }
}

/// A map takes three levels of a protobuf message and four of a JSON one, and about ten stand
/// around it.
const MAX_DEPTH: usize = 20;

/// Limits on one record. What goes over is cut or dropped, and counted.
///
/// Source: Logs SDK, "`LogRecord` Limits". Attribute count and depth have a default; the other
/// limits are off until set.
#[derive(Debug, Clone)]
pub struct Limits {
    pub(crate) attributes: usize,
    pub(crate) value_length: usize,
    pub(crate) body_length: usize,
    pub(crate) depth: usize,
    pub(crate) record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attributes: 128,
            value_length: usize::MAX,
            body_length: usize::MAX,
            depth: MAX_DEPTH,
            record_bytes: usize::MAX,
        }
    }
}

impl Limits {
    /// At most this many attributes; the event's own come first, then source, then spans'.
    /// Default 128.
    #[must_use]
    pub fn with_attribute_count(mut self, count: usize) -> Self {
        self.attributes = count;
        self
    }

    /// At most this many characters in a text value of an attribute, or bytes in a binary one,
    /// nested ones included. Default: no limit.
    #[must_use]
    pub fn with_value_length(mut self, length: usize) -> Self {
        self.value_length = length;
        self
    }

    /// At most this many characters in a text body. Default: no limit.
    #[must_use]
    pub fn with_body_length(mut self, length: usize) -> Self {
        self.body_length = length;
        self
    }

    /// At most this many levels of maps and lists; what lies deeper becomes its JSON text.
    /// Default 20, and no more than that: protobuf and JSON parsers bound the depth of a message
    /// (100 and 128 in most), and a receiver that meets a deeper one refuses the whole request.
    #[must_use]
    pub fn with_depth(mut self, levels: usize) -> Self {
        self.depth = levels.min(MAX_DEPTH);
        self
    }

    /// At most about this many bytes in a whole record (keys, values and body): the last
    /// attributes go first, then the body is cut. Default: no limit.
    #[must_use]
    pub fn with_record_bytes(mut self, bytes: usize) -> Self {
        self.record_bytes = bytes;
        self
    }
}

/// A rule that may place an event on another of the 24 severity numbers.
pub(crate) type SeverityRule = Arc<dyn Fn(&Metadata<'_>) -> Option<Severity> + Send + Sync>;

/// Everything a [`LogLayer`](crate::LogLayer) was told.
pub(crate) struct Settings {
    pub(crate) unsampled: UnsampledPolicy,
    pub(crate) span_fields: SpanFields,
    pub(crate) limits: Limits,
    pub(crate) source: bool,
    pub(crate) thread: bool,
    pub(crate) severity_rule: Option<SeverityRule>,
    pub(crate) on_refused: Option<Box<dyn Fn(Severity) + Send + Sync>>,
    pub(crate) tells_weights: bool,
    pub(crate) scopes: Vec<InstrumentationScope>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unsampled: UnsampledPolicy::default(),
            span_fields: SpanFields::default(),
            limits: Limits::default(),
            source: true,
            thread: false,
            severity_rule: None,
            on_refused: None,
            tells_weights: false,
            scopes: Vec::new(),
        }
    }
}

/// Matches `*` (any run) and `?` (one character), as declarative configuration has it.
fn glob_matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut g, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if g < glob.len() && (glob[g] == '?' || (glob[g] == text[t] && glob[g] != '*')) {
            g += 1;
            t += 1;
        } else if g < glob.len() && glob[g] == '*' {
            retry = Some((g, t));
            g += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            g = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_people_expect() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("user_id", "user_id", true),
            ("user_id", "user_ids", false),
            ("http.*", "http.method", true),
            ("http.*", "http", false),
            ("*.id", "user.id", true),
            ("*.id", "user.idx", false),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("?", "é", true),
            ("??", "é", false),
            ("**", "x", true),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} against {text}");
        }
    }

    #[test]
    fn fields_that_steer_the_trace_layer_are_never_taken() {
        assert!(!SpanFields::all().takes("otel.name"));
        assert!(!SpanFields::all().takes("otel.status_code"));
        assert!(SpanFields::all().takes("otel.scope"));
    }

    #[test]
    fn exclude_beats_include() {
        let fields = SpanFields::matching(["http.*"], ["http.secret*"]);
        assert!(fields.takes("http.route"));
        assert!(!fields.takes("http.secret_key"));
        assert!(!fields.takes("user"));
    }
}

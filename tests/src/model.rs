//! What a peer received, in plain types: the same for every peer, so that peers can be compared.
//!
//! The last stop of a record's way in a test. Nothing here is taken from the crates under test or
//! from the SDK: an attribute list keeps its order and its duplicates, an id is the hexadecimal
//! text the peer showed.

/// A typed value as OTLP knows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value at all.
    Empty,
    /// Text.
    String(String),
    /// A signed integer of 64 bits.
    Int(i64),
    /// A double; NaN is equal to nothing, as ever.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// A map, in the order received.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entry of this key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => lookup(entries, key),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// Attributes in the order received, duplicates and all.
pub type Attributes = Vec<(String, Value)>;

/// The resource and the scope that a record or a span arrived under.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// The resource's attributes.
    pub resource: Attributes,
    /// The schema of the resource.
    pub resource_schema_url: String,
    /// The instrumentation scope's name.
    pub scope_name: String,
    /// The instrumentation scope's version.
    pub scope_version: String,
    /// The schema of the scope.
    pub scope_schema_url: String,
    /// The instrumentation scope's attributes.
    pub scope_attributes: Attributes,
}

impl Origin {
    /// The first resource attribute of this key.
    pub fn resource(&self, key: &str) -> Option<&Value> {
        lookup(&self.resource, key)
    }
}

/// A log record as a peer received it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogRecord {
    /// Where it came from.
    pub origin: Origin,
    /// Time of the event, nanoseconds since the epoch; 0 is unset.
    pub time_unix_nano: u64,
    /// Time of the observation, nanoseconds since the epoch; 0 is unset.
    pub observed_time_unix_nano: u64,
    /// The severity number; 0 is unset.
    pub severity_number: i32,
    /// The severity's text.
    pub severity_text: String,
    /// The event's name; empty is unset.
    pub event_name: String,
    /// The body.
    pub body: Value,
    /// The attributes.
    pub attributes: Attributes,
    /// How many attributes the sender says it dropped; `None` if the peer does not show it.
    pub dropped_attributes_count: Option<u32>,
    /// The flags, trace flags in the lowest byte.
    pub flags: u32,
    /// 32 hexadecimal digits, or empty.
    pub trace_id: String,
    /// 16 hexadecimal digits, or empty.
    pub span_id: String,
}

impl LogRecord {
    /// The first attribute of this key.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        lookup(&self.attributes, key)
    }
}

/// A span as a peer received it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// Where it came from.
    pub origin: Origin,
    /// The name.
    pub name: String,
    /// The kind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer; 0 is unset.
    pub kind: i32,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits, or empty for a root.
    pub parent_span_id: String,
    /// The W3C trace state.
    pub trace_state: String,
    /// Start, nanoseconds since the epoch.
    pub start_time_unix_nano: u64,
    /// End, nanoseconds since the epoch.
    pub end_time_unix_nano: u64,
    /// The status: 0 unset, 1 ok, 2 error.
    pub status_code: i32,
    /// What goes with the status.
    pub status_message: String,
    /// The attributes.
    pub attributes: Attributes,
    /// The events, in order.
    pub events: Vec<SpanEvent>,
    /// The links, in order.
    pub links: Vec<SpanLink>,
}

impl Span {
    /// The first attribute of this key.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        lookup(&self.attributes, key)
    }
}

/// An event of a span.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// Nanoseconds since the epoch.
    pub time_unix_nano: u64,
    /// The name.
    pub name: String,
    /// The attributes.
    pub attributes: Attributes,
}

/// A link of a span.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SpanLink {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The attributes.
    pub attributes: Attributes,
}

fn lookup<'a>(entries: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    entries
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value)
}

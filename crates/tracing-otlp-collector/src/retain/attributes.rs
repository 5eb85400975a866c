//! Finds values in lists of attributes.
//!
//! Logs and spans answer the same questions about their attributes, resource and scope; the macro
//! writes those answers once.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// The value of the first attribute with this key.
pub(crate) fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes
        .iter()
        .find(|attribute| attribute.key == key)
        .and_then(|attribute| attribute.value.as_ref())
        .and_then(|value| value.value.as_ref())
}

pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Writes the accessors that a record and a span share; `$item` is the method with the message.
macro_rules! shared_accessors {
    ($item:ident) => {
        /// The attributes in the order they were sent.
        pub fn attributes(&self) -> &[KeyValue] {
            &self.$item().attributes
        }

        /// The value of the first attribute with this key; `None` also when the value is empty.
        pub fn attr(&self, key: &str) -> Option<&Value> {
            attributes::find(self.attributes(), key)
        }

        /// The attribute's value, if it is a string.
        pub fn attr_str(&self, key: &str) -> Option<&str> {
            self.attr(key).and_then(attributes::text)
        }

        /// The attribute's value, if it is an integer.
        pub fn attr_i64(&self, key: &str) -> Option<i64> {
            match self.attr(key) {
                Some(Value::IntValue(number)) => Some(*number),
                _ => None,
            }
        }

        /// The attribute's value, if it is a double.
        pub fn attr_f64(&self, key: &str) -> Option<f64> {
            match self.attr(key) {
                Some(Value::DoubleValue(number)) => Some(*number),
                _ => None,
            }
        }

        /// The attribute's value, if it is a boolean.
        pub fn attr_bool(&self, key: &str) -> Option<bool> {
            match self.attr(key) {
                Some(Value::BoolValue(flag)) => Some(*flag),
                _ => None,
            }
        }

        /// How many attributes the sender says it dropped.
        pub fn dropped_attributes_count(&self) -> u32 {
            self.$item().dropped_attributes_count
        }

        /// The trace id in hex, `None` when there is none.
        pub fn trace_id_hex(&self) -> Option<String> {
            hex_or_none(&self.$item().trace_id)
        }

        /// The span id in hex, `None` when there is none.
        pub fn span_id_hex(&self) -> Option<String> {
            hex_or_none(&self.$item().span_id)
        }

        /// The resource's attributes, such as `service.name`.
        pub fn resource_attributes(&self) -> &[KeyValue] {
            &self.origin().source.resource.attributes
        }

        /// The value of the first resource attribute with this key.
        pub fn resource_attr(&self, key: &str) -> Option<&Value> {
            attributes::find(self.resource_attributes(), key)
        }

        /// The resource attribute's value, if it is a string.
        pub fn resource_attr_str(&self, key: &str) -> Option<&str> {
            self.resource_attr(key).and_then(attributes::text)
        }

        /// The schema URL of the resource, empty when there is none.
        pub fn resource_schema_url(&self) -> &str {
            &self.origin().source.schema_url
        }

        /// The name of the instrumentation scope, empty when there is none.
        pub fn scope_name(&self) -> &str {
            &self.origin().scope.name
        }

        /// The version of the instrumentation scope, empty when there is none.
        pub fn scope_version(&self) -> &str {
            &self.origin().scope.version
        }

        /// The attributes of the instrumentation scope.
        pub fn scope_attributes(&self) -> &[KeyValue] {
            &self.origin().scope.attributes
        }

        /// The schema URL of the scope, empty when there is none.
        pub fn scope_schema_url(&self) -> &str {
            &self.origin().schema_url
        }
    };
}

pub(crate) use shared_accessors;

pub(crate) fn hex_or_none(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| super::id::hex(bytes))
}

//! Reads what all signals share: values, attributes, scopes and resources.
//!
//! The readers of the three signals call these for their parts.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::Value;

use super::error::JsonError;
use super::object::Object;
use super::scalar::{base64, boolean, double, integer, string};

/// Of several members the first in the order of the `.proto` file counts; none means empty.
pub(super) fn any_value(value: &Value) -> Result<AnyValue, JsonError> {
    use any_value::Value as V;
    let object = Object::of(value)?;
    let value = if let Some(text) = object.optional("stringValue", string)? {
        Some(V::StringValue(text))
    } else if let Some(flag) = object.optional("boolValue", boolean)? {
        Some(V::BoolValue(flag))
    } else if let Some(number) = object.optional("intValue", integer)? {
        Some(V::IntValue(number))
    } else if let Some(number) = object.optional("doubleValue", double)? {
        Some(V::DoubleValue(number))
    } else if let Some(array) = object.optional("arrayValue", array_value)? {
        Some(V::ArrayValue(array))
    } else if let Some(list) = object.optional("kvlistValue", kvlist_value)? {
        Some(V::KvlistValue(list))
    } else {
        object.optional("bytesValue", base64)?.map(V::BytesValue)
    };
    Ok(AnyValue { value })
}

/// A null element is an empty value, which OTLP has too.
fn array_value(value: &Value) -> Result<ArrayValue, JsonError> {
    Ok(ArrayValue {
        values: Object::of(value)?.list_with_nulls("values", any_value)?,
    })
}

fn kvlist_value(value: &Value) -> Result<KeyValueList, JsonError> {
    Ok(KeyValueList {
        values: Object::of(value)?.list("values", key_value)?,
    })
}

pub(super) fn key_value(value: &Value) -> Result<KeyValue, JsonError> {
    let object = Object::of(value)?;
    Ok(KeyValue {
        key: object.field("key", string)?,
        value: object.optional("value", any_value)?,
        ..KeyValue::default()
    })
}

pub(super) fn scope(value: &Value) -> Result<InstrumentationScope, JsonError> {
    let object = Object::of(value)?;
    Ok(InstrumentationScope {
        name: object.field("name", string)?,
        version: object.field("version", string)?,
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
    })
}

pub(super) fn resource(value: &Value) -> Result<Resource, JsonError> {
    let object = Object::of(value)?;
    Ok(Resource {
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
        entity_refs: object.list("entityRefs", entity_ref)?,
    })
}

fn entity_ref(value: &Value) -> Result<EntityRef, JsonError> {
    let object = Object::of(value)?;
    Ok(EntityRef {
        schema_url: object.field("schemaUrl", string)?,
        r#type: object.field("type", string)?,
        id_keys: object.list("idKeys", string)?,
        description_keys: object.list("descriptionKeys", string)?,
    })
}

//! Nested values: maps and lists through the stock macros, from anything `serde` can serialise.
//!
//! Part of the draft, third stop on the way of an event. `tracing` only knows flat values and
//! errors. An error is handed over as `&dyn Error`, which can be downcast: so [`nested`] returns
//! one that carries the value, prints it as JSON in other layers, and is recognised here.

use std::error::Error;
use std::fmt;

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;
use serde::ser::{self, Serialize};

use super::limits::prefix;
use crate::guard;
use crate::settings::Limits;

/// Steps into a value that are taken; a linked list of a million nodes must not overflow. On a
/// record the [`Limits`] keep fewer.
const MAX_DEPTH: usize = 64;

/// Makes any `serde::Serialize` a field value for the stock macros: maps and lists on the record,
/// JSON text in other layers.
///
/// The value is read at once, so it may be borrowed. Structs and maps become maps, sequences and
/// tuples lists, unit variants their name, other variants a map with one entry, `None` and `()`
/// are left out of maps. Integers beyond 64 bits become decimal strings. On a record 20 levels of
/// maps and lists stay, deeper ones are their JSON text; after 64 steps a value is cut. A `Serialize` that fails or panics gives a text that says so.
///
/// # Examples
///
/// ```
/// # use tracing_otlp_layer::nested;
/// #[derive(serde::Serialize)]
/// struct Item { sku: &'static str, count: u32 }
///
/// let basket = [Item { sku: "tea", count: 2 }];
/// tracing::info!(basket = nested(&basket), "checked out");
/// ```
pub fn nested<T>(value: &T) -> Box<dyn Error + Send + Sync>
where
    T: Serialize + ?Sized,
{
    let tree = guard::formatting(|| value.serialize(Reader { depth: 0 })).map_or_else(
        || Tree::Text("<panicked while serialising>".to_owned()),
        |read| read.unwrap_or_else(|error| Tree::Text(format!("<not serialisable: {error}>"))),
    );
    Box::new(Nested(tree))
}

/// A nested value in a disguise that `tracing` lets through.
#[derive(Debug)]
pub(crate) struct Nested(pub(crate) Tree);

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_json())
    }
}

impl Error for Nested {}

/// A value with its order kept, which OpenTelemetry's hash map would lose for other layers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    pub(crate) fn unsigned(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::Text(value.to_string()), Self::Int)
    }

    pub(crate) fn to_json(&self) -> String {
        // Writing to a String fails only where a key is no string; ours all are.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The value for a record, within the limits; `None` for a null, which OTLP leaves out.
    pub(crate) fn to_any(&self, limits: &Limits) -> Option<AnyValue> {
        self.to_any_at(limits, 0)
    }

    fn to_any_at(&self, limits: &Limits, depth: usize) -> Option<AnyValue> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => AnyValue::Boolean(*value),
            Self::Int(value) => AnyValue::Int(*value),
            Self::Double(value) => AnyValue::Double(*value),
            Self::Text(text) => {
                AnyValue::String(prefix(text, limits.value_length).to_owned().into())
            }
            Self::Bytes(bytes) => AnyValue::Bytes(Box::new(
                bytes[..bytes.len().min(limits.value_length)].to_vec(),
            )),
            Self::List(_) | Self::Map(_) if depth >= limits.depth => {
                let json = self.to_json();
                AnyValue::String(prefix(&json, limits.value_length).to_owned().into())
            }
            // A list keeps the places of its nulls, for which the SDK's value type has no word.
            Self::List(items) => AnyValue::ListAny(Box::new(
                items
                    .iter()
                    .map(|item| {
                        item.to_any_at(limits, depth + 1)
                            .unwrap_or_else(|| AnyValue::String("null".into()))
                    })
                    .collect(),
            )),
            Self::Map(entries) => AnyValue::Map(Box::new(
                entries
                    .iter()
                    .filter_map(|(key, value)| {
                        Some((Key::from(key.clone()), value.to_any_at(limits, depth + 1)?))
                    })
                    .collect(),
            )),
        })
    }
}

impl Serialize for Tree {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{SerializeMap as _, SerializeSeq as _};
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            // JSON has no word for these; the OTLP mapping writes them as strings, so do we.
            Self::Double(value) if value.is_nan() => serializer.serialize_str("NaN"),
            Self::Double(value) if value.is_infinite() => {
                serializer.serialize_str(if *value > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                })
            }
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Reads a `Serialize` into a [`Tree`].
#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
}

impl Reader {
    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
        }
    }

    /// Beyond the last level nothing is read any more: that is what bounds the recursion.
    fn read<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, NotReadable> {
        if self.depth > MAX_DEPTH {
            return Ok(Tree::Text(TOO_DEEP.to_owned()));
        }
        value.serialize(self)
    }
}

const TOO_DEEP: &str = "<too deep>";

#[derive(Debug)]
struct NotReadable(String);

impl fmt::Display for NotReadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NotReadable {}

impl ser::Error for NotReadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl ser::Serializer for Reader {
    type Ok = Tree;
    type Error = NotReadable;
    type SerializeSeq = ListReader;
    type SerializeTuple = ListReader;
    type SerializeTupleStruct = ListReader;
    type SerializeTupleVariant = ListReader;
    type SerializeMap = MapReader;
    type SerializeStruct = MapReader;
    type SerializeStructVariant = MapReader;

    fn serialize_bool(self, v: bool) -> Result<Tree, NotReadable> {
        Ok(Tree::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_i16(self, v: i16) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_i32(self, v: i32) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_i64(self, v: i64) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v))
    }
    fn serialize_i128(self, v: i128) -> Result<Tree, NotReadable> {
        Ok(i64::try_from(v).map_or_else(|_| Tree::Text(v.to_string()), Tree::Int))
    }
    fn serialize_u8(self, v: u8) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_u16(self, v: u16) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_u32(self, v: u32) -> Result<Tree, NotReadable> {
        Ok(Tree::Int(v.into()))
    }
    fn serialize_u64(self, v: u64) -> Result<Tree, NotReadable> {
        Ok(Tree::unsigned(v))
    }
    fn serialize_u128(self, v: u128) -> Result<Tree, NotReadable> {
        Ok(i64::try_from(v).map_or_else(|_| Tree::Text(v.to_string()), Tree::Int))
    }
    fn serialize_f32(self, v: f32) -> Result<Tree, NotReadable> {
        Ok(Tree::Double(v.into()))
    }
    fn serialize_f64(self, v: f64) -> Result<Tree, NotReadable> {
        Ok(Tree::Double(v))
    }
    fn serialize_char(self, v: char) -> Result<Tree, NotReadable> {
        Ok(Tree::Text(v.to_string()))
    }
    fn serialize_str(self, v: &str) -> Result<Tree, NotReadable> {
        Ok(Tree::Text(v.to_owned()))
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<Tree, NotReadable> {
        Ok(Tree::Bytes(v.to_vec()))
    }
    fn serialize_none(self) -> Result<Tree, NotReadable> {
        Ok(Tree::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, NotReadable> {
        self.deeper().read(value)
    }
    fn serialize_unit(self) -> Result<Tree, NotReadable> {
        Ok(Tree::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, NotReadable> {
        Ok(Tree::Null)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Tree, NotReadable> {
        Ok(Tree::Text(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, NotReadable> {
        self.deeper().read(value)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, NotReadable> {
        Ok(Tree::Map(vec![(
            variant.to_owned(),
            self.deeper().read(value)?,
        )]))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<ListReader, NotReadable> {
        Ok(ListReader {
            reader: self,
            variant: None,
            items: Vec::new(),
        })
    }
    fn serialize_tuple(self, _: usize) -> Result<ListReader, NotReadable> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ListReader, NotReadable> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ListReader, NotReadable> {
        Ok(ListReader {
            reader: self,
            variant: Some(variant),
            items: Vec::new(),
        })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<MapReader, NotReadable> {
        Ok(MapReader {
            reader: self,
            variant: None,
            key: None,
            entries: Vec::new(),
        })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<MapReader, NotReadable> {
        self.serialize_map(None)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MapReader, NotReadable> {
        Ok(MapReader {
            reader: self,
            variant: Some(variant),
            key: None,
            entries: Vec::new(),
        })
    }
}

struct ListReader {
    reader: Reader,
    variant: Option<&'static str>,
    items: Vec<Tree>,
}

impl ListReader {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotReadable> {
        self.items.push(self.reader.deeper().read(value)?);
        Ok(())
    }

    fn finish(self) -> Tree {
        wrap(self.variant, Tree::List(self.items))
    }
}

fn wrap(variant: Option<&'static str>, tree: Tree) -> Tree {
    match variant {
        Some(variant) => Tree::Map(vec![(variant.to_owned(), tree)]),
        None => tree,
    }
}

struct MapReader {
    reader: Reader,
    variant: Option<&'static str>,
    key: Option<String>,
    entries: Vec<(String, Tree)>,
}

impl MapReader {
    fn insert<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), NotReadable> {
        let value = self.reader.deeper().read(value)?;
        self.entries.push((key, value));
        Ok(())
    }

    fn finish(self) -> Tree {
        wrap(self.variant, Tree::Map(self.entries))
    }
}

macro_rules! list_like {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for ListReader {
            type Ok = Tree;
            type Error = NotReadable;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotReadable> {
                self.push(value)
            }
            fn end(self) -> Result<Tree, NotReadable> {
                Ok(self.finish())
            }
        }
    )*};
}
list_like!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! struct_like {
    ($($trait:ident),*) => {$(
        impl ser::$trait for MapReader {
            type Ok = Tree;
            type Error = NotReadable;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NotReadable> {
                self.insert(key.to_owned(), value)
            }
            fn end(self) -> Result<Tree, NotReadable> {
                Ok(self.finish())
            }
        }
    )*};
}
struct_like!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for MapReader {
    type Ok = Tree;
    type Error = NotReadable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotReadable> {
        // A key that is no text stands as what it would print in JSON.
        self.key = Some(match self.reader.deeper().read(key)? {
            Tree::Text(text) => text,
            other => other.to_json(),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotReadable> {
        let key = self.key.take().unwrap_or_default();
        self.insert(key, value)
    }

    fn end(self) -> Result<Tree, NotReadable> {
        Ok(self.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read<T: Serialize + ?Sized>(value: &T) -> Tree {
        nested(value).downcast::<Nested>().expect("ours").0
    }

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(u8),
        Tuple(u8, bool),
        Struct { a: Option<u8>, b: f64 },
    }

    #[test]
    fn every_kind_of_value_keeps_its_type() {
        assert_eq!(read(&u64::MAX), Tree::Text("18446744073709551615".into()));
        assert_eq!(read(&i128::MIN), Tree::Text(i128::MIN.to_string()));
        assert_eq!(read(&7u128), Tree::Int(7));
        assert_eq!(read(&Shape::Unit), Tree::Text("Unit".into()));
        assert_eq!(
            read(&Shape::New(1)),
            Tree::Map(vec![("New".into(), Tree::Int(1))])
        );
        assert_eq!(
            read(&Shape::Tuple(1, true)),
            Tree::Map(vec![(
                "Tuple".into(),
                Tree::List(vec![Tree::Int(1), Tree::Bool(true)])
            )])
        );
        let tree = read(&Shape::Struct {
            a: None,
            b: f64::INFINITY,
        });
        assert_eq!(tree.to_json(), r#"{"Struct":{"a":null,"b":"Infinity"}}"#);
        assert_eq!(read(&BTreeMap::from([(1, "x")])).to_json(), r#"{"1":"x"}"#);
    }

    #[test]
    fn nulls_leave_maps_and_keep_their_place_in_lists() {
        let limits = Limits::default();
        assert_eq!(read(&None::<u8>).to_any(&limits), None);
        let list = read(&[Some(1), None]).to_any(&limits);
        assert_eq!(
            list,
            Some(AnyValue::ListAny(Box::new(vec![
                AnyValue::Int(1),
                AnyValue::String("null".into())
            ])))
        );
    }

    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_some(&[Endless])
        }
    }

    struct Failing(bool);
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            assert!(self.0, "in Serialize");
            Err(ser::Error::custom("no"))
        }
    }

    #[test]
    fn depth_is_bounded_and_bad_serialisers_say_so() {
        assert!(read(&Endless).to_json().contains(TOO_DEEP));
        assert_eq!(
            read(&Failing(true)),
            Tree::Text("<not serialisable: no>".into())
        );
        assert_eq!(
            read(&Failing(false)),
            Tree::Text("<panicked while serialising>".into())
        );
    }

    #[test]
    fn limits_on_depth_and_length_hold_inside() {
        let limits = Limits::default().with_depth(1).with_value_length(6);
        let value = read(&BTreeMap::from([("list", vec![1, 2, 3, 4])])).to_any(&limits);
        let Some(AnyValue::Map(map)) = value else {
            panic!("a map")
        };
        assert_eq!(map.get("list"), Some(&AnyValue::String("[1,2,3".into())));
    }
}

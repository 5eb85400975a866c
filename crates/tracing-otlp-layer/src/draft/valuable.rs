//! `valuable` values as maps and lists, under tracing's own cfg.
//!
//! Part of the draft, third stop on the way of an event. The same tree as for `serde` comes out.

use valuable::{Fields, NamedValues, Valuable, Value, VariantDef, Visit};

use super::nested::Tree;

/// Levels that are kept, as for `nested`.
const MAX_DEPTH: usize = 64;

/// Reads a value into a tree.
pub(crate) fn read(value: Value<'_>) -> Tree {
    read_at(value, 0)
}

fn read_at(value: Value<'_>, depth: usize) -> Tree {
    if depth > MAX_DEPTH {
        return Tree::Text("<too deep>".to_owned());
    }
    match value {
        Value::Bool(v) => Tree::Bool(v),
        Value::Char(v) => Tree::Text(v.to_string()),
        Value::F32(v) => Tree::Double(v.into()),
        Value::F64(v) => Tree::Double(v),
        Value::I8(v) => Tree::Int(v.into()),
        Value::I16(v) => Tree::Int(v.into()),
        Value::I32(v) => Tree::Int(v.into()),
        Value::I64(v) => Tree::Int(v),
        Value::I128(v) => i64::try_from(v).map_or_else(|_| Tree::Text(v.to_string()), Tree::Int),
        Value::Isize(v) => Tree::Int(v as i64),
        Value::U8(v) => Tree::Int(v.into()),
        Value::U16(v) => Tree::Int(v.into()),
        Value::U32(v) => Tree::Int(v.into()),
        Value::U64(v) => Tree::unsigned(v),
        Value::U128(v) => i64::try_from(v).map_or_else(|_| Tree::Text(v.to_string()), Tree::Int),
        Value::Usize(v) => Tree::unsigned(v as u64),
        Value::String(v) => Tree::Text(v.to_owned()),
        Value::Path(v) => Tree::Text(v.display().to_string()),
        Value::Error(v) => Tree::Text(v.to_string()),
        Value::Unit => Tree::Null,
        Value::Listable(v) => collect(depth, |c| v.visit(c)).into_list(),
        Value::Tuplable(v) => collect(depth, |c| v.visit(c)).into_list(),
        Value::Mappable(v) => collect(depth, |c| v.visit(c)).into_map(),
        Value::Structable(v) => {
            let collected = collect(depth, |c| v.visit(c));
            match v.definition().fields() {
                Fields::Named(_) => collected.into_map(),
                Fields::Unnamed(_) => collected.into_list(),
            }
        }
        Value::Enumerable(v) => {
            let variant = v.variant();
            let collected = collect(depth, |c| v.visit(c));
            let empty = collected.items.is_empty() && collected.entries.is_empty();
            let name = variant.name().to_owned();
            if empty {
                return Tree::Text(name);
            }
            let inner = match variant {
                valuable::Variant::Static(def) if matches!(def.fields(), Fields::Unnamed(_)) => {
                    collected.into_list()
                }
                valuable::Variant::Dynamic(def) if unnamed(&def) => collected.into_list(),
                _ => collected.into_map(),
            };
            Tree::Map(vec![(name, inner)])
        }
        other => Tree::Text(format!("{other:?}")),
    }
}

fn unnamed(def: &VariantDef<'_>) -> bool {
    matches!(def.fields(), Fields::Unnamed(_))
}

fn collect(depth: usize, visit: impl FnOnce(&mut Collector)) -> Collector {
    let mut collector = Collector {
        depth,
        items: Vec::new(),
        entries: Vec::new(),
    };
    visit(&mut collector);
    collector
}

struct Collector {
    depth: usize,
    items: Vec<Tree>,
    entries: Vec<(String, Tree)>,
}

impl Collector {
    fn into_list(self) -> Tree {
        Tree::List(self.items)
    }

    fn into_map(self) -> Tree {
        Tree::Map(self.entries)
    }
}

impl Visit for Collector {
    fn visit_value(&mut self, value: Value<'_>) {
        self.items.push(read_at(value, self.depth + 1));
    }

    fn visit_unnamed_fields(&mut self, values: &[Value<'_>]) {
        for value in values {
            self.items.push(read_at(value.as_value(), self.depth + 1));
        }
    }

    fn visit_named_fields(&mut self, values: &NamedValues<'_>) {
        for (field, value) in values {
            self.entries.push((
                field.name().to_owned(),
                read_at(value.as_value(), self.depth + 1),
            ));
        }
    }

    fn visit_entry(&mut self, key: Value<'_>, value: Value<'_>) {
        let key = match read_at(key, self.depth + 1) {
            Tree::Text(text) => text,
            other => other.to_json(),
        };
        self.entries.push((key, read_at(value, self.depth + 1)));
    }
}

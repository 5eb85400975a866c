//! Reads the single values of OTLP/JSON: strings, numbers, enums, ids and bytes.
//!
//! Message readers pass these functions to `Object`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::error::JsonError;

/// What a JSON value is called in a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn expected<T>(what: &str, found: &Value) -> Result<T, JsonError> {
    Err(JsonError::new(format!(
        "expected {what}, found {}",
        kind(found)
    )))
}

pub(super) fn string(value: &Value) -> Result<String, JsonError> {
    str(value).map(str::to_owned)
}

fn str(value: &Value) -> Result<&str, JsonError> {
    match value {
        Value::String(text) => Ok(text),
        other => expected("a string", other),
    }
}

pub(super) fn boolean(value: &Value) -> Result<bool, JsonError> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        other => expected("a boolean", other),
    }
}

/// An integer of any width, written as a number (also as `1.0` or `1e3`) or as a decimal string.
pub(super) fn integer<T: TryFrom<i128>>(value: &Value) -> Result<T, JsonError> {
    let wide = match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .or_else(|| number.as_f64().and_then(whole)),
        other => return expected("an integer", other),
    };
    let Some(wide) = wide else {
        return Err(JsonError::new("expected an integer, found something else"));
    };
    T::try_from(wide).map_err(|_| JsonError::new(format!("{wide} is out of range")))
}

/// The integer that a double stands for; `None` when it has a fraction or is out of all ranges.
fn whole(number: f64) -> Option<i128> {
    // 2^64 bounds every integer of OTLP; below it the conversion is exact.
    const BOUND: f64 = 18_446_744_073_709_551_616.0;
    if number.fract() == 0.0 && number.abs() <= BOUND {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and bounded by the line above"
        )]
        Some(number as i128)
    } else {
        None
    }
}

/// A double, written as a number, a decimal string, `"NaN"`, `"Infinity"` or `"-Infinity"`.
pub(super) fn double(value: &Value) -> Result<f64, JsonError> {
    match value {
        Value::Number(number) => number
            .as_f64()
            .ok_or_else(|| JsonError::new("the number is out of range")),
        Value::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            // Rust would also read "inf" and "nan", which no mapping of JSON knows.
            text if text.bytes().any(|b| b.is_ascii_digit()) => text
                .parse()
                .map_err(|_| JsonError::new("expected a number, found some other string")),
            _ => Err(JsonError::new("expected a number, found some other string")),
        },
        other => expected("a number", other),
    }
}

/// Reads an enum's number, or its name with `from_name`; numbers that have no name are kept.
pub(super) fn enumeration<E: Into<i32>>(
    from_name: fn(&str) -> Option<E>,
) -> impl Fn(&Value) -> Result<i32, JsonError> {
    move |value| match value {
        Value::String(text) if !text.bytes().all(|b| b.is_ascii_digit()) => from_name(text)
            .map(Into::into)
            .ok_or_else(|| JsonError::new(format!("{text:.40?} names nothing here"))),
        other => integer(other),
    }
}

/// Bytes written in hex, as trace and span ids are.
pub(super) fn hex(value: &Value) -> Result<Vec<u8>, JsonError> {
    let text = str(value)?.as_bytes();
    let bad = || JsonError::new("expected hex digits in pairs");
    if text.len() % 2 != 0 {
        return Err(bad());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks_exact(2)
        .map(|pair| {
            let byte = digit(pair[0])? * 16 + digit(pair[1])?;
            u8::try_from(byte).ok()
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(bad)
}

/// Bytes written in base64, in either alphabet and with or without padding.
pub(super) fn base64(value: &Value) -> Result<Vec<u8>, JsonError> {
    let text = str(value)?;
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .map_err(|_| JsonError::new("expected base64"))
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

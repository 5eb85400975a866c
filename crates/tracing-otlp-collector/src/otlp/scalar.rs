//! Reads the single values of OTLP/JSON: strings, numbers, enums, ids and bytes.
//!
//! `from_json` hands over what the parser found; the answers are sentences for the sender.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// One value as JSON has it; of lists and objects only that they are there.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Double(f64),
    Text(Cow<'a, str>),
    List,
    Object,
}

impl Scalar<'_> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }

    pub(super) fn expected<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("expected {what}, found {}", self.name()))
    }

    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => other.expected("a string"),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Bool(flag) => Ok(*flag),
            other => other.expected("a boolean"),
        }
    }

    /// An integer of any width, written as a number (also as `1.0` or `1e3`) or as a decimal string.
    pub(super) fn integer<T: TryFrom<i128>>(&self) -> Result<T, String> {
        let wide = match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Int(number) => Some(*number),
            Self::Double(number) => whole(*number),
            other => return other.expected("an integer"),
        };
        let wide: i128 = wide.ok_or("expected an integer, found something else")?;
        T::try_from(wide).map_err(|_| format!("{wide} is out of range"))
    }

    /// A double, written as a number, a decimal string, `"NaN"`, `"Infinity"` or `"-Infinity"`.
    pub(super) fn double(&self) -> Result<f64, String> {
        match self {
            Self::Double(number) => Ok(*number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest double is what is asked for"
            )]
            Self::Int(number) => Ok(*number as f64),
            Self::Text(text) => match &**text {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                // Rust would also read "inf" and "nan", which no mapping of JSON knows.
                text if text.bytes().any(|b| b.is_ascii_digit()) => text.parse().ok(),
                _ => None,
            }
            .ok_or_else(|| "expected a number, found some other string".to_owned()),
            other => other.expected("a number"),
        }
    }

    /// An enum's number, or its name with `from_name`; numbers that have no name are kept.
    pub(super) fn enumeration(&self, from_name: fn(&str) -> Option<i32>) -> Result<i32, String> {
        match self {
            Self::Text(text) if !text.bytes().all(|b| b.is_ascii_digit()) => {
                from_name(text).ok_or_else(|| format!("{text:.40?} names nothing here"))
            }
            other => other.integer(),
        }
    }

    /// Bytes written in hex, as trace and span ids are.
    pub(super) fn hex(&self) -> Result<Vec<u8>, String> {
        hex(self.text()?).ok_or_else(|| "expected hex digits in pairs".to_owned())
    }

    /// Bytes written in base64, in either alphabet and with or without padding.
    pub(super) fn base64(&self) -> Result<Vec<u8>, String> {
        let text = self.text()?;
        STANDARD
            .decode(text)
            .or_else(|_| URL_SAFE.decode(text))
            .map_err(|_| "expected base64".to_owned())
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if text.len() % 2 != 0 {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
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

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

//! Text, times and durations.

use super::text::{Needle, parse_duration, parse_time};

#[test]
fn text_is_found_in_any_case_wherever_it_stands() {
    let cases = [
        ("timeout", "TimeOut", true),
        ("timeout", "time out", false),
        ("e", "E", true),
        ("ete", "xeteEte", true),
        ("42", "order 42", true),
        ("", "anything", true),
        ("größe", "GRÖSSE GRÖßE", true),
        ("straße", "STRASSE", false),
        ("end", "the END", true),
        ("longer than the text", "short", false),
        ("..", "a..b", true),
        ("k-1", "xk-1", true),
        ("zz", "zaz zz", true),
    ];
    for (needle, text, expected) in cases {
        assert_eq!(Needle::new(needle).is_in(text), expected, "{needle} {text}");
    }
}

#[test]
fn times_are_absolute_or_ago() {
    const NOW: u64 = 1_700_000_000_000_000_000;
    assert_eq!(parse_time("now", NOW), Some(NOW));
    assert_eq!(parse_time("-15m", NOW), Some(NOW - 900_000_000_000));
    assert_eq!(parse_time("5", NOW), Some(5));
    assert_eq!(parse_time("1970-01-01T00:00:01Z", NOW), Some(1_000_000_000));
    assert_eq!(parse_time("later", NOW), None);
    assert_eq!(parse_duration("1.5ms"), Some(1_500_000));
    assert_eq!(parse_duration("2d"), Some(172_800_000_000_000));
    assert_eq!(parse_duration("5"), Some(5));
    for bad in ["", "ms", "1 ms", "1y", "1e400s", "9999999999d", "."] {
        assert_eq!(parse_duration(bad), None, "{bad}");
    }
}

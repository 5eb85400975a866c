//! Medians of interleaved repetitions: on a noisy machine everything drifts, so no side may have
//! its repetitions in a row.

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures every one of `what` in turn, so many times, and gives the medians in their order.
pub fn interleaved<T>(what: &[T], times: usize, measure: impl Fn(&T) -> f64) -> Vec<f64> {
    let mut found = vec![Vec::with_capacity(times); what.len()];
    for _ in 0..times {
        for (one, values) in what.iter().zip(&mut found) {
            values.push(measure(one));
        }
    }
    found.iter_mut().map(|values| median(values)).collect()
}

/// 12,345.
pub fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 {
        format!("-{text}")
    } else {
        text
    }
}

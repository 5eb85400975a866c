//! x
pub fn exporting() {}
pub fn delivery() {}
pub fn whole() {}
pub fn latency() {}

//! The peers themselves, before anything is proved with them: does each show every type as what
//! it is, and does each refuse what is wrong?

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

mod oracle;
mod requests;
mod rotel;

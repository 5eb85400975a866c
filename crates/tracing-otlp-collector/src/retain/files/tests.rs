//! Names, torn lines, and what happens when a directory is taken.

use std::fs;
use std::path::PathBuf;

use super::folder::{begin, begun, files, mend};
use crate::Signal;
use crate::retain::clock;

/// A directory of its own for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("otlp-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn names_sort_by_age_even_when_the_clock_is_set_back() {
    let folder = Folder::new("names");
    // A file of the far future, as if the clock had been wrong.
    let future = folder.0.join("logs-22000101T000000.000000.jsonl");
    fs::write(&future, "").unwrap();
    fs::write(folder.0.join("logs-of-somebody-else.jsonl"), "").unwrap();
    let mut made = vec![future];
    for _ in 0..5 {
        made.push(begin(&folder.0, Signal::Logs).unwrap().1);
    }
    assert_eq!(files(&folder.0, Signal::Logs).unwrap(), made);
    assert!(files(&folder.0, Signal::Traces).unwrap().is_empty());
    let (_, path) = begin(&folder.0, Signal::Traces).unwrap();
    let age = clock::now().abs_diff(begun(&path).unwrap());
    assert!(age < 60_000_000_000, "{age} {path:?}");
}

#[test]
fn a_torn_last_line_is_cut_and_nothing_else() {
    let folder = Folder::new("torn");
    let long = "x".repeat(200_000);
    let cases = [
        (String::new(), 0),
        ("{}\n".to_owned(), 3),
        ("{}\n{\"a".to_owned(), 3),
        ("{\"a".to_owned(), 0),
        (format!("{long}\n{long}"), 200_001),
        (long.clone(), 0),
        (format!("{long}\n"), 200_001),
    ];
    for (content, left) in cases {
        let path = folder.0.join("f");
        fs::write(&path, &content).unwrap();
        assert_eq!(mend(&path).unwrap(), left as u64);
        assert_eq!(fs::read_to_string(&path).unwrap(), content[..left]);
    }
}

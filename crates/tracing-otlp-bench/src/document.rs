//! Puts the tables into docs/performance.md, between the marks that name their section.

use std::process::{Command, Stdio};
use std::{env, fs};

use crate::programs;

/// Measures the section anew and replaces its tables.
pub fn write(section: &str) {
    let path = programs::home().join("../../docs/performance.md");
    let mut table = Command::new(env::current_exe().expect("this program"));
    table.args(["table", section]).stderr(Stdio::inherit());
    let tables = programs::output(&mut table);
    let text = fs::read_to_string(&path).expect("docs/performance.md");
    let (begin, end) = (
        format!("<!-- begin {section} -->\n"),
        format!("<!-- end {section} -->"),
    );
    let (before, rest) = text.split_once(&begin).expect("the section's first mark");
    let (_, after) = rest.split_once(&end).expect("the section's last mark");
    fs::write(&path, format!("{before}{begin}\n{tables}\n\n{end}{after}")).expect("a document");
    println!("{tables}\n");
}

//! The files' names, and mending what a crash has torn.
//!
//! A name holds the time when its file was begun, so that names sort by age.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::Signal;
use crate::retain::clock;

/// The files of a signal, oldest first; what is not named as ours is left alone.
pub(super) fn files(dir: &Path, signal: Signal) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{signal}-");
    let mut files: Vec<_> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(&prefix) && name.ends_with(SUFFIX))
        })
        .map(|entry| entry.path())
        .filter(|path| begun(path).is_some())
        .collect();
    files.sort();
    Ok(files)
}

/// Begins a file whose name sorts behind all others of its signal.
pub(super) fn begin(dir: &Path, signal: Signal) -> io::Result<(File, PathBuf)> {
    let newest = files(dir, signal)?.pop();
    let mut nanos = clock::now();
    loop {
        let micros = nanos / 1000 % 1_000_000;
        // 2026-11-21T13:00:00.123Z → 20261121T130000
        let time: String = clock::rfc3339(nanos)
            .chars()
            .take(19)
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        let path = dir.join(format!("{signal}-{time}.{micros:06}{SUFFIX}"));
        // A clock that was set back may not put the newest before the others.
        if newest.as_ref().is_some_and(|newest| *newest >= path) {
            nanos = nanos.max(newest.as_deref().and_then(begun).unwrap_or(0)) + 1000;
            continue;
        }
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => nanos += 1000,
            opened => return opened.map(|file| (file, path)),
        }
    }
}

/// When a file was begun, by its name.
pub(super) fn begun(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (_, time) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let part = |from: usize, to: usize| time.get(from..to);
    clock::parse_rfc3339(&format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?,
        part(16, 22)?
    ))
}

/// Cuts off what stands behind the last complete line; returns the length that is left.
pub(super) fn mend(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let size = usize::try_from(end - start).unwrap_or(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block[..size])?;
        if let Some(at) = block[..size].iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(end)
}

const SUFFIX: &str = ".jsonl";
const BLOCK: usize = 64 * 1024;

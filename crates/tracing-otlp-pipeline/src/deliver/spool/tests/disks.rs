//! Disks and files as they can be: full, read-only, damaged, from another version, of somebody
//! else.

use super::*;

#[test]
fn a_full_disk_gives_entries_back_says_so_once_and_is_tried_again() {
    for (fault, most) in [(Fault::Full, 1), (Fault::Failing, 40)] {
        let sim = SimDisk::new(7);
        let told = Arc::new(Mutex::new(Vec::new()));
        let settings = SpoolSettings::new("sim").with_commit_interval(Duration::from_millis(1));
        let on_event = {
            let told = Arc::clone(&told);
            move |event: &SpoolEvent| {
                told.lock().unwrap().push(event.clone());
                panic!("a callback may do that");
            }
        };
        let (spool, _) = Spool::open_on(sim.clone(), &settings, &Signal::ALL, on_event).unwrap();
        block_on(async {
            spool.append(fresh(1, 10)).unwrap().await.unwrap();
            sim.fail(fault);
            let mut number = 2;
            let mut kept = vec![1];
            let back = loop {
                match spool.append(fresh(number, 10)).unwrap().await {
                    Ok(()) => kept.push(number),
                    Err(back) => break back,
                }
                number += 1;
                assert!(number <= most + 2);
            };
            assert_eq!(back.reason, Refusal::Degraded);
            assert_eq!(number_of(&back.entry), number);
            assert!(matches!(spool.state(), SpoolState::Degraded { .. }));
            // At once, without the disk.
            let refused = spool.append(fresh(90, 10)).unwrap_err();
            assert_eq!(refused.reason, Refusal::Degraded);
            sim.heal();
            let until = soon();
            loop {
                assert!(Instant::now() < until);
                match spool.append(fresh(91, 10)) {
                    Ok(ticket) => break ticket.await.unwrap(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            assert_eq!(spool.state(), SpoolState::Working);
            kept.push(91);
            let mut found = drain(&spool).await;
            found.sort_unstable();
            assert_eq!(found, kept);
        });
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(matches!(told[0], SpoolEvent::Degraded { .. }));
        assert_eq!(told[1], SpoolEvent::Restored);
    }
}

#[test]
fn more_than_the_hand_off_holds_and_what_is_too_large_comes_back() {
    let directory = Temporary::new();
    let settings =
        SpoolSettings::new(directory.path()).with_max_bytes(NonZeroUsize::new(64 * 1024).unwrap());
    let (spool, _) = open(&settings);
    block_on(async {
        let back = spool.append(fresh(1, 70_000)).unwrap().await.unwrap_err();
        assert_eq!(back.reason, Refusal::TooLarge);
        assert_eq!(back.entry.body.len(), 70_018);
        // One that fits alone evicts the others.
        spool.append(fresh(2, 10)).unwrap().await.unwrap();
        spool.append(fresh(3, 65_000)).unwrap().await.unwrap();
        assert_eq!(spool.counts().evicted.entries(), 1);
        assert_eq!(drain(&spool).await, [3]);
    });
    let large = fresh(4, 5 * 1024 * 1024);
    let until = soon();
    let busy = loop {
        assert!(Instant::now() < until);
        match spool.append(large.clone()) {
            Err(back) if back.reason == Refusal::Busy => break back,
            _ => {}
        }
    };
    assert_eq!(busy.entry, large);
}

#[test]
fn garbage_of_any_kind_does_not_stop_a_start() {
    let directory = Temporary::new();
    let put = |name: &str, content: &[u8]| fs::write(directory.path().join(name), content).unwrap();
    let mut noise = vec![0; 3_000_000];
    let mut random = Random::new(3);
    noise.fill_with(|| u8::try_from(random.below(256)).unwrap());
    put("spool-0000000000000001.seg", &noise);
    put(
        "spool-0000000000000002.seg",
        &[0xE5, b'n', b't', 1].repeat(300_000),
    );
    put("spool-0000000000000003.seg", &[]);
    put("spool-0000000000000004.seg", &[0; 5000]);
    put("spool-0000000000000005.ack", &noise);
    put("spool-FFFFFFFFFFFFFFFF.seg", b"the name is not ours");
    put("spool-1.seg", b"nor this");
    put("notes.txt", b"nor that");
    fs::create_dir(directory.path().join("spool-0000000000000006.seg")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(
        "/dev/zero",
        directory.path().join("spool-0000000000000007.seg"),
    )
    .unwrap();
    let settings = SpoolSettings::new(directory.path());
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled.entries(), 0);
    assert_eq!(recovered.torn_bytes, 3_000_000 + 1_200_000 + 5000);
    block_on(async {
        spool.append(fresh(1, 10)).unwrap().await.unwrap();
        assert_eq!(drain(&spool).await, [1]);
    });
    assert!(spool.shutdown(soon()));
    for kept in ["notes.txt", "spool-1.seg", "spool-FFFFFFFFFFFFFFFF.seg"] {
        assert!(files(directory.path()).contains(&kept.to_owned()));
    }
}

#[test]
fn a_segment_of_another_version_is_left_alone() {
    for version in [1, 3] {
        let directory = Temporary::new();
        let settings = SpoolSettings::new(directory.path());
        let (spool, _) = open(&settings);
        block_on(async { spool.append(fresh(1, 10)).unwrap().await.unwrap() });
        assert!(spool.shutdown(soon()));
        let path = directory.path().join("spool-0000000000000001.seg");
        let mut bytes = fs::read(&path).unwrap();
        for start in [0, 48] {
            assert_eq!(bytes[start + 8], 2);
            bytes[start + 8] = version;
            let crc = crc32c::crc32c(&bytes[start..start + 40]);
            bytes[start + 40..start + 44].copy_from_slice(&crc.to_le_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        let (spool, recovered) = open(&settings);
        assert_eq!(recovered.spooled.entries(), 0);
        block_on(async {
            assert!(spool.next().await.is_none());
            spool.append(fresh(2, 10)).unwrap().await.unwrap();
        });
        assert!(spool.shutdown(soon()));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_body_that_looks_like_an_entry_is_not_one() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    block_on(async { spool.append(fresh(1, 10)).unwrap().await.unwrap() });
    assert!(spool.shutdown(soon()));
    let path = directory.path().join("spool-0000000000000001.seg");
    let segment = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // Somebody logs a whole segment, and the entry that holds it loses its header.
    let (spool, _) = open(&settings);
    let mut carrier = fresh(2, 0);
    carrier.body = segment.into();
    block_on(async {
        spool.append(carrier).unwrap().await.unwrap();
        spool.append(fresh(3, 10)).unwrap().await.unwrap();
    });
    assert!(spool.shutdown(soon()));
    let mut bytes = fs::read(&path).unwrap();
    bytes[96] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (spool, _) = open(&settings);
    block_on(async { assert_eq!(drain(&spool).await, [3]) });
    assert_eq!(spool.counts().corrupt.entries(), 1);
    assert_eq!(spool.counts().corrupt.all_records(), 2 + 3 + 1 + 2 + 3);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Temporary::new();
    let path = directory.path().join("new/spool");
    let settings = SpoolSettings::new(&path);
    let (spool, _) = open(&settings);
    block_on(async {
        spool.append(fresh(1, 10)).unwrap().await.unwrap();
        spool.append(fresh(2, 10)).unwrap().await.unwrap();
        spool.next().await.unwrap().ack();
        assert!(spool.sync().await);
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let names = files(&path);
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error_with_a_reason() {
    let directory = Temporary::new();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Spool::open(&SpoolSettings::new(&file), &Signal::ALL, |_| {}).unwrap_err();
    assert!(!error.is_locked());
    assert!(
        error.to_string().starts_with("cannot create the spool"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    // Nobody can create anything there, root neither.
    #[cfg(target_os = "linux")]
    Spool::open(&SpoolSettings::new("/proc/spool"), &Signal::ALL, |_| {}).unwrap_err();
}

#[cfg(target_os = "linux")]
struct Mounted(PathBuf);

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Real file systems of a few hundred kilobytes, read-only ones too; needs root and is skipped
/// where mounting is not allowed, because the simulated disk shows the same.
#[cfg(target_os = "linux")]
#[test]
fn a_real_file_system_that_is_full_or_read_only_is_borne() {
    let directory = Temporary::new();
    let mount = |arguments: &[&str]| {
        let status = Command::new("mount")
            .args(arguments)
            .arg(directory.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "none"]) {
        return;
    }
    let _mounted = Mounted(directory.path().to_owned());
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    let (mut kept, mut back) = (Vec::new(), 0);
    block_on(async {
        for number in 1..=40 {
            match spool.append(fresh(number, 10_000)) {
                Ok(ticket) => match ticket.await {
                    Ok(()) => kept.push(number),
                    Err(refused) => {
                        assert_eq!(refused.reason, Refusal::Degraded);
                        back += 1;
                    }
                },
                Err(_) => back += 1,
            }
        }
    });
    assert!(kept.len() > 10 && back > 10, "{kept:?}");
    let SpoolState::Degraded { reason } = spool.state() else {
        panic!("{:?}", spool.state());
    };
    assert!(reason.contains("No space left"), "{reason}");
    assert!(!spool.shutdown(soon()));
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled.entries(), kept.len() as u64);
    block_on(async { assert_eq!(drain(&spool).await, kept) });
    assert!(spool.shutdown(soon()));
    assert!(mount(&["-o", "remount,ro"]));
    let error = patiently(
        || Spool::open(&settings, &Signal::ALL, |_| {}),
        SpoolError::is_locked,
    )
    .unwrap_err();
    assert!(error.to_string().contains("Read-only"), "{error}");
}

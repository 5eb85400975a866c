//! Runs the collector until it is told to end.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use tracing_otlp_collector::{
    Capacity, Collector, DeliverySettings, Files, Forward, SpoolSettings, Upstream,
};

use crate::args::Serve;
use crate::out::{Trouble, complain, line};
use crate::upstream::with_headers;

pub(crate) fn run(args: &Serve) -> Result<ExitCode, Trouble> {
    // A file that is there belongs to this run: who waits for it must not find the last one's.
    if let Some(file) = &args.port_file {
        forget_ports(file)?;
    }
    let collector = start(args)?;
    // Nobody has to listen: it is here to receive.
    match announce(&collector, args) {
        Ok(()) | Err(Trouble::Closed) => {}
        Err(other) => return Err(other),
    }
    if let Some(file) = &args.port_file {
        write_ports(&collector, file)?;
    }
    wait_for_the_end()?;
    if let Some(file) = args.port_file.as_deref().filter(|file| is_ours(file)) {
        forget_ports(file)?;
    }
    collector
        .shutdown()
        .map_err(|error| Trouble::new(describe(&error)))?;
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Serve) -> Result<Collector, Trouble> {
    let capacity = Capacity::default()
        .with_records(usize::MAX)
        .with_spans(usize::MAX)
        // The rest is for the program itself, the allocator, and those who read.
        .with_bytes(args.memory - args.memory / 8);
    let mut builder = Collector::builder()
        .with_address(args.grpc)
        .with_another_address(args.http)
        .with_free_ports_if_taken(!args.fixed_ports)
        .with_capacity(capacity)
        .with_max_body(args.max_body);
    for origin in &args.allow_origin {
        builder = builder.with_allowed_origin(origin);
    }
    for host in &args.allow_host {
        builder = builder.with_allowed_host(host);
    }
    if let Some(dir) = &args.dir {
        let files = Files::in_dir(dir)
            .with_max_bytes(args.file_size as u64)
            .with_max_age(args.file_age)
            .with_max_files(args.file_count)
            .with_sync_every(args.sync_every);
        builder = builder.with_files(files);
    }
    if let Some(url) = &args.forward {
        builder = builder.with_forward(forward(url, args)?);
    }
    builder
        .start()
        .map_err(|error| Trouble::new(describe(&error)))
}

fn forward(url: &str, args: &Serve) -> Result<Forward, Trouble> {
    let upstream = Upstream::new(url)
        .map_err(|error| Trouble::new(describe(&error)))?
        .with_protocol(args.forward_protocol.into())
        .with_compression(args.forward_compression.into())
        .with_timeout(args.forward_timeout);
    let upstream = with_headers(upstream, &args.forward_header, SECRET_HEADERS)?;
    let mut delivery = DeliverySettings::default();
    if let Some(dir) = &args.forward_spool {
        delivery = delivery.with_spool(SpoolSettings::new(dir));
    }
    Ok(Forward::to(upstream)
        .with_delivery(delivery)
        .on_notice(|notice| complain(notice)))
}

fn announce(collector: &Collector, args: &Serve) -> Result<(), Trouble> {
    let wanted = [args.grpc, args.http];
    for (wanted, got) in wanted.iter().zip(collector.local_addrs()) {
        if wanted.port() != 0 && wanted.port() != got.port() {
            complain(format!(
                "port {} is taken, listening on {} instead: point senders there",
                wanted.port(),
                got.port()
            ));
        }
        line(format!("OTLP over gRPC and HTTP  http://{got}"))?;
        if !got.ip().is_loopback() {
            complain(format!(
                "{got} can be reached from other machines, and nobody is asked for a password"
            ));
        }
    }
    if args.forward.is_some() {
        line("Everything is forwarded, see \"forward\" of /api/status")?;
    }
    line(format!("Viewer                   {}/", viewer(collector)))
}

/// The URL of the last address, which is `--http`.
fn viewer(collector: &Collector) -> String {
    let address = collector.local_addrs().last().copied();
    format!("http://{}", address.unwrap_or(collector.local_addr()))
}

/// Written beside its place first, so that nobody reads half of it.
fn write_ports(collector: &Collector, file: &Path) -> Result<(), Trouble> {
    let endpoints: Vec<_> = collector
        .local_addrs()
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    let ports = serde_json::json!({
        "pid": std::process::id(),
        "endpoints": endpoints,
        "viewer": format!("{}/", viewer(collector)),
    });
    let fail = |error: std::io::Error| Trouble::new(format!("{}: {error}", file.display()));
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    fs::write(&beside, format!("{ports}\n")).map_err(fail)?;
    fs::rename(&beside, file).map_err(fail)
}

fn forget_ports(file: &Path) -> Result<(), Trouble> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Trouble::new(format!("{}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// Whether no other collector has written its own meanwhile.
fn is_ours(file: &Path) -> bool {
    let ports = fs::read(file).unwrap_or_default();
    let ports: serde_json::Value = serde_json::from_slice(&ports).unwrap_or_default();
    ports["pid"] == std::process::id()
}

pub(crate) fn wait_for_the_end() -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => pressed?,
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}

/// An error with all its reasons on one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    text
}

const SECRET_HEADERS: &str = "TRACING_OTLP_COLLECTOR_FORWARD_SECRET_HEADERS";

//! The collector as a program: receive, look, follow, import, export, forward.
//!
//! `args` says what can be asked for. `serve` runs the collector of the library; the other commands
//! are clients of its API, wherever it runs.

#![forbid(unsafe_code)]

mod args;
mod client;
mod export;
mod import;
mod logs;
mod out;
mod paint;
mod proxy;
mod serve;
mod traces;
mod upstream;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;
use out::Trouble;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        None => serve::run(&args.serve),
        Some(Command::Serve(serve)) => serve::run(&serve),
        Some(Command::Logs(logs)) => logs::run(&logs),
        Some(Command::Traces(traces)) => traces::list(&traces),
        Some(Command::Trace(trace)) => traces::show(&trace),
        Some(Command::Audit(audit)) => traces::audit(&audit),
        Some(Command::Import(import)) => import::run(&import),
        Some(Command::Export(export)) => export::run(&export),
        Some(Command::Proxy(proxy)) => proxy::run(&proxy),
        Some(Command::Token(token)) => proxy::token(&token),
    };
    match done {
        Ok(code) => code,
        // Whoever reads has read enough.
        Err(Trouble::Closed) => ExitCode::SUCCESS,
        Err(Trouble::Other(message)) => {
            out::complain(&message);
            ExitCode::FAILURE
        }
    }
}

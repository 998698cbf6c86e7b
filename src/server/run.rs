//! The server as a program: a runtime, a socket, a log, until a signal.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::connections::serve;
use super::service::Service;
use super::signal;
use crate::error::{Error, Result};

/// Threads that move bytes: they decode and compute nothing.
const ASYNC_THREADS: usize = 2;

/// How the log is written, to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// A line a request, for people.
    Text,
    /// A JSON object a request.
    Json,
    /// Nothing.
    Off,
}

/// Serves on `address` until SIGTERM or SIGINT; a second one ends the program at once. `listening` is told the address, whose port may
/// have been left to the system.
///
/// # Errors
/// [`Error::Config`] for an address that cannot be had; [`Error::Read`] where the system refuses a thread.
pub fn run(service: &Arc<Service>, address: SocketAddr, log: Log, listening: impl FnOnce(SocketAddr)) -> Result<()> {
    start(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(ASYNC_THREADS).enable_all().build()?;
    let torn = runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Error::Config(format!("cannot listen on {address}: {error}")))?;
        listening(listener.local_addr()?);
        Ok::<_, Error>(serve(listener, Arc::clone(service), signal::stop()).await?)
    })?;
    if torn > 0 {
        return Err(Error::Config(format!("{torn} connections were still busy when the time to finish was over")));
    }
    Ok(())
}

fn start(log: Log) {
    let builder = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A log that was set up before, by a test, stays.
    let _ = match log {
        Log::Off => Ok(()),
        Log::Text => builder.with_target(false).try_init(),
        Log::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}

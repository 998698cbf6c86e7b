//! The server as a program: runtime, listening socket, log, and shutdown by signal.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::connections::serve;
use super::service::Service;
use super::signal;
use crate::error::{Error, Result};

/// Threads of the asynchronous runtime. They only move bytes; decoding and networks run elsewhere.
const ASYNC_THREADS: usize = 2;

/// Format of the access log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// One line of text per request.
    Text,
    /// One JSON object per request.
    Json,
    /// No log.
    Off,
}

/// Serves on `address` until SIGTERM or SIGINT; a second signal ends the program at once.
/// `listening` is called with the bound address, whose port the system chooses if it is 0.
///
/// # Errors
/// [`Error::Usage`] for an address that cannot be bound; [`Error::Internal`] if the system cannot
/// start a thread, or if requests were cut off at the end of the grace period.
pub fn run(service: &Arc<Service>, address: SocketAddr, log: Log, listening: impl FnOnce(SocketAddr)) -> Result<()> {
    start_log(log);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(ASYNC_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Error::Internal(format!("cannot start the server's threads: {error}")))?;
    let cut_off = runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Error::usage(format!("cannot listen on {address}: {error}")))?;
        listening(listener.local_addr()?);
        Ok::<_, Error>(serve(listener, Arc::clone(service), signal::stop()).await?)
    })?;
    if cut_off > 0 {
        return Err(Error::Internal(format!("{cut_off} connections were cut off at the end of the grace period")));
    }
    Ok(())
}

fn start_log(log: Log) {
    let builder = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // Fails if there is a log already, in tests; then that one stays.
    let _ = match log {
        Log::Off => Ok(()),
        Log::Text => builder.with_target(false).try_init(),
        Log::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}

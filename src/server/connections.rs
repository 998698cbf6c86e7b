//! Accept loop: takes connections up to a limit, serves HTTP/1.1 on them, and ends them gracefully
//! at shutdown.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::problem::Problem;
use super::routes::app;
use super::service::Service;
use super::socket::Socket;

/// hyper's hard limit of a header, beyond which it answers a bare 431. The router's lower limit
/// answers 431 with a problem body.
const MAX_HEADER_BUFFER: usize = 64 << 10;
/// Pause after a failed accept (mostly for lack of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` is ready, then finishes running requests, for at most
/// [`Limits::grace`](super::Limits::grace). Returns the number of connections that were cut off.
///
/// # Errors
/// None at present: an error of one connection ends that connection only.
pub async fn serve(listener: TcpListener, service: Arc<Service>, stop: impl Future<Output = ()>) -> io::Result<usize> {
    let router = app(&service);
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(service.limits.header_time)
        .max_buf_size(MAX_HEADER_BUFFER.max(2 * service.limits.header_bytes));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&service.connections).try_acquire_owned() else {
            refuse(&stream, &service);
            continue;
        };
        // Responses are small and written at once: Nagle's algorithm would only delay them.
        let _ = stream.set_nodelay(true);
        let socket = TokioIo::new(Socket::new(stream, permit, service.limits.patience));
        let connection = http.serve_connection(socket, TowerToHyperService::new(router.clone()));
        tokio::spawn(run(graceful.watch(connection), Arc::clone(&service)));
    }
    service.stop();
    drop(listener);
    let in_time = timeout(service.limits.grace, graceful.shutdown()).await.is_ok();
    Ok(if in_time { 0 } else { service.open_connections() })
}

/// Runs a connection until its client closes it, a timeout ends it, or the server stops and the
/// current request is answered.
async fn run(connection: impl Future<Output = hyper::Result<()>>, service: Arc<Service>) {
    if let Err(error) = connection.await {
        if error.is_parse_too_large() {
            service.metrics.record_refusal("header_too_large");
        }
        tracing::debug!(%error, "connection ended");
    }
}

/// Sends 503 for too many connections, as far as the socket's send buffer takes it.
fn refuse(stream: &TcpStream, service: &Service) {
    service.metrics.record_refusal("connections");
    let detail = format!("{} connections are open, the maximum; try again", service.limits.connections);
    let body = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "connections", detail).json();
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
        retry-after: 1\r\nconnection: close";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

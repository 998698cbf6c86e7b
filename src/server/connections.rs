//! The sockets: connections are taken in up to a limit, served, and brought to an end when the server is to stop.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::problem::Problem;
use super::routes::app;
use super::service::Service;
use super::socket::{Open, Socket};

/// hyper's own bound of a header, beyond which it answers 431 without a word. Below it the router refuses with one.
const HEADER_BUFFER: usize = 64 << 10;
/// After a failed accept (no file descriptors left, mostly) others need time to go.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop` is ready, then finishes what runs, for as long as [`Limits::grace`](super::Limits::grace) allows. Returns how many connections had
/// to be torn.
///
/// # Errors
/// None at present: what goes wrong with one connection ends that one.
pub async fn serve(listener: TcpListener, service: Arc<Service>, stop: impl Future<Output = ()>) -> io::Result<usize> {
    let router = app(&service);
    let (tell, told) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match Open::new(&service) {
                    Some(open) => { connections.spawn(connection(stream, open, router.clone(), Arc::clone(&service), told.clone())); }
                    None => refuse(&stream, &service),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(BREATH).await;
                }
            },
        }
    }
    service.stop();
    drop(listener);
    drop(tell);
    let all_done = async { while connections.join_next().await.is_some() {} };
    let in_time = timeout(service.limits.grace, all_done).await.is_ok();
    Ok(if in_time { 0 } else { connections.len() })
}

/// One connection, until its client closes it, a limit ends it, or the server stops: then after the request that it is at.
async fn connection(
    stream: TcpStream,
    open: Open,
    router: Router,
    service: Arc<Service>,
    mut told: watch::Receiver<()>,
) {
    // Predictions are small and whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, open, service.limits.patience);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.limits.header_time)
        .max_buf_size(HEADER_BUFFER.max(2 * service.limits.header_bytes))
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = told.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        if error.is_parse_too_large() {
            service.metrics.refused("header_too_large");
        }
        tracing::debug!(%error, "a connection ended");
    }
}

/// Tells a client that there are too many connections, in as much as its socket takes at once.
fn refuse(stream: &TcpStream, service: &Service) {
    service.metrics.refused("connections");
    let detail = format!("{} connections are open, and no more are taken; try again", service.limits.connections);
    let body = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "connections", detail).json();
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: close";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

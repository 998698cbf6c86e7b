//! Which address is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::page::{ASSETS, Asset};
use super::problem::Problem;
use super::service::Service;
use super::{headers, health, models, observe, openapi, origin, predict, token};

/// Every address but those of the page's files, as the counts name them.
pub(super) const PATHS: &[&str] =
    &["/v1/predict", "/v1/embed", "/v1/models", "/healthz", "/readyz", "/metrics", "/openapi.json"];

/// What the counts and the log call an address that was matched; few names, and none that a client made up.
pub(super) fn counted_as(matched: &str) -> &'static str {
    match PATHS.iter().find(|path| **path == matched) {
        Some(path) => path,
        None if ASSETS.iter().any(|asset| asset.path == matched) => "page",
        None => "other",
    }
}

/// The server without its sockets: all that tests and other programs need to answer a request.
///
/// ```no_run
/// use persona_engine::engine::{Catalogue, Engine, Options};
/// use persona_engine::server::{Service, Settings, app};
///
/// let system = Catalogue::installed().system("xvector-cnn")?;
/// let service = Service::new(vec![Engine::new(system, Options::default())?], Settings::default())?;
/// let router = app(&service);
/// # Ok::<(), persona_engine::Error>(())
/// ```
pub fn app(service: &Arc<Service>) -> Router {
    let with = |service: &Arc<Service>| Arc::clone(service);
    let work = Router::new()
        .route("/v1/predict", post(predict::predict))
        .route("/v1/embed", post(predict::embed))
        .layer(from_fn_with_state(with(service), headers::refuse_when_stopping));
    let asked_for_a_token = work
        .route("/v1/models", get(models::models))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(with(service), token::check));
    let open = asked_for_a_token
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::openapi));
    let page = |router: Router<_>, asset: &'static Asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { asset.answer(&headers) }))
    };
    ASSETS
        .iter()
        .fold(open, page)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(with(service), origin::check))
        .layer(from_fn_with_state(with(service), headers::guard))
        .layer(from_fn_with_state(with(service), observe::watch))
        .with_state(with(service))
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let text = service.metrics.text(service.gauges());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this address; /openapi.json lists what there is",
    )
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address knows other methods; /openapi.json lists them")
}

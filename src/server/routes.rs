//! Router: paths, handlers and middleware.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use super::page::{ASSETS, Asset};
use super::problem::Problem;
use super::service::Service;
use super::{access_log, cors, headers, health, models, openapi, predict, token};

/// The router, for tests and programs that have sockets of their own.
///
/// ```no_run
/// use persona_engine::{Catalogue, Engine, LoadOptions, Options};
/// use persona_engine::server::{Service, Settings, app};
///
/// let model = Catalogue::installed().load("xvector-cnn", LoadOptions::default())?;
/// let service = Service::new(vec![Engine::new(model, Options::default())?], Settings::default())?;
/// let router = app(&service);
/// # Ok::<(), persona_engine::Error>(())
/// ```
pub fn app(service: &Arc<Service>) -> Router {
    let state = || Arc::clone(service);
    let compute = Router::new()
        .route("/v1/predict", post(predict::predict))
        .route("/v1/embed", post(predict::embed))
        .layer(from_fn_with_state(state(), refuse_when_stopping));
    let protected = compute
        .route("/v1/models", get(models::models))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(service.token.clone(), token::require));
    let open = protected
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::openapi));
    let add_asset = |router: Router<_>, asset: &'static Asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { asset.response(&headers) }))
    };
    // The last layer is the outermost.
    ASSETS
        .iter()
        .fold(open, add_asset)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state(), cors::check))
        .layer(from_fn_with_state(state(), headers::guard))
        .layer(headers::security())
        .layer(headers::no_store())
        .layer(from_fn_with_state(state(), access_log::log))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(map_request(access_log::drop_unsafe_id))
        .layer(map_request(headers::measure))
        .with_state(state())
}

/// Middleware: 503 for requests that arrive during shutdown.
async fn refuse_when_stopping(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.is_stopping() { Problem::stopping().into_response() } else { next.run(request).await }
}

async fn metrics(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let text = service.metrics.text(service.gauges())?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "no such path; see /openapi.json")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "method not allowed; see /openapi.json")
}

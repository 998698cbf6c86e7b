//! `GET /healthz`: whether the model computes what it computed at start-up. `GET /readyz`: whether
//! requests are accepted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use super::service::Service;

pub(super) async fn healthz(State(service): State<Arc<Service>>) -> Response {
    if service.golden.check(&service.scheduler).await {
        Json(json!({"status": "ok", "model": service.golden.model()})).into_response()
    } else {
        let detail = "the self-test failed; restart the server";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "failed", detail).into_response()
    }
}

pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Response {
    if service.is_stopping() {
        return Problem::stopping().into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}

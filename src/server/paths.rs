//! Paths of the API, and their names in metrics and log.

use super::page::ASSETS;

/// All paths except those of the page's files.
pub(super) const PATHS: &[&str] =
    &["/v1/predict", "/v1/embed", "/v1/models", "/healthz", "/readyz", "/metrics", "/openapi.json"];

/// Label of a matched route in metrics and log. There are few labels, and clients cannot add any.
pub(super) fn route_label(matched: &str) -> &'static str {
    match PATHS.iter().find(|path| **path == matched) {
        Some(path) => path,
        None if ASSETS.iter().any(|asset| asset.path == matched) => "page",
        None => "other",
    }
}

//! `GET /v1/models`: the available models and their manifests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::service::{Service, name_of};
use crate::engine::{AgeInterval, Engine, SCHEMA, Score};

pub(super) async fn models(State(service): State<Arc<Service>>) -> Json<Value> {
    let engines = service.engines();
    let models: Vec<Value> = engines.iter().map(as_json).collect();
    Json(json!({"schema": SCHEMA, "default": engines.first().map(name_of), "models": models}))
}

fn as_json(engine: &Engine) -> Value {
    let manifest = engine.model().manifest();
    let classifier = manifest.classifier.as_ref();
    let heads = classifier.map(|classifier| &classifier.heads);
    let scores: Vec<Value> = manifest.scores().iter().map(Score::headline).collect();
    json!({
        "name": manifest.name,
        "sha256": manifest.sha256,
        "created_by": manifest.created_by,
        "licence": manifest.licence,
        "data": manifest.data,
        "sample_rate_hz": manifest.frontend.sample_rate_hz(),
        "emotions": heads.map(|heads| &heads.emotion.labels),
        "genders": heads.map(|heads| &heads.gender.labels),
        "age_interval_coverage": heads.and_then(|heads| heads.age.interval.as_ref()).map(AgeInterval::coverage),
        "scores": scores,
    })
}

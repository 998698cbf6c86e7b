//! `POST /v1/predict` and `POST /v1/embed`: a recording in, the JSON of `infer --json` or of `embed` out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::incoming::Incoming;
use super::job::{Done, Job, Work};
use super::pipe::PipeEnd;
use super::problem::Problem;
use super::service::Service;
use super::upload::Upload;

pub(super) async fn predict(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    in_time(&service, Work::Predict, request).await
}

pub(super) async fn embed(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    in_time(&service, Work::Embed, request).await
}

async fn in_time(service: &Arc<Service>, work: Work, request: Request) -> Result<Response, Problem> {
    let done = timeout(service.limits.request_time, answer(service, work, request)).await;
    Ok(Json(done.map_err(|_| out_of_time(service))??).into_response())
}

async fn answer(service: &Arc<Service>, work: Work, request: Request) -> Result<Done, Problem> {
    let (parts, body) = request.into_parts();
    let incoming = Incoming::new(body, &service.limits);
    let place = service.admission.enter()?;
    let mut upload = Upload::open(&parts, incoming, &service.limits).await?;
    let engine = service.engine(upload.asked.model.as_deref())?;
    let options = upload.asked.options(engine.options())?;
    let engine = engine.with_options(options).map_err(|error| Problem::bad_request("bad_option", error.to_string()))?;
    let work = if work == Work::Predict && upload.asked.per_channel() { Work::PredictChannels } else { work };
    let (mut job, end) = Job::new(service, place, engine, work, upload.name.clone());
    let answered = both(&mut upload, end, &mut job).await;
    service.metrics.received(upload.bytes());
    answered
}

/// Feeds the recording and waits for its answer. An error on either side is the answer at once, and the upload's comes first: of a broken
/// upload the recording's thread only sees that it broke.
async fn both(upload: &mut Upload, end: PipeEnd, job: &mut Job) -> Result<Done, Problem> {
    let pumped = upload.pump(end);
    tokio::pin!(pumped);
    let done = tokio::select! {
        biased;
        pumped = &mut pumped => {
            pumped?;
            return job.answer().await;
        }
        answer = job.answer() => answer?,
    };
    // The recording was whole before the body was: what follows must still be a sound form.
    pumped.await?;
    Ok(done)
}

fn out_of_time(service: &Service) -> Problem {
    let detail =
        format!("no answer after {} s, the most that a request may take", service.limits.request_time.as_secs_f64());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "time", detail).after(10)
}

//! `POST /v1/predict` and `POST /v1/embed`: recording in, the JSON of `infer --json` or `embed`
//! out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::incoming::Incoming;
use super::job::{Job, Output, Work};
use super::pipe::PipeWriter;
use super::problem::Problem;
use super::service::Service;
use super::upload::Upload;

pub(super) async fn predict(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    respond(&service, Work::Predict, request).await
}

pub(super) async fn embed(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    respond(&service, Work::Embed, request).await
}

async fn respond(service: &Arc<Service>, work: Work, request: Request) -> Result<Response, Problem> {
    let output = timeout(service.limits.request_time, compute(service, work, request)).await;
    Ok(Json(output.map_err(|_| timed_out(service))??).into_response())
}

async fn compute(service: &Arc<Service>, work: Work, request: Request) -> Result<Output, Problem> {
    let (parts, body) = request.into_parts();
    let incoming = Incoming::new(body, &service.limits);
    let admitted = service.admission.admit()?;
    let mut upload = Upload::open(&parts, incoming, &service.limits).await?;
    let engine = service.engine(upload.options.model.as_deref())?;
    let mut options = upload.options.apply(engine.options())?;
    let baseline = upload.options.baseline.as_ref().map(|vectors| engine.speaker_baseline(vectors));
    options.baseline = baseline.transpose()?;
    let engine = engine.with_options(options)?;
    let (mut job, writer) = Job::new(service, admitted, engine, work, upload.name.clone());
    let output = pump_and_wait(&mut upload, writer, &mut job).await;
    service.metrics.record_received(upload.bytes());
    output
}

/// Sends the upload to the job while waiting for its output. The first error on either side is
/// returned at once; of two, the upload's, since the job only sees that its input broke.
async fn pump_and_wait(upload: &mut Upload, writer: PipeWriter, job: &mut Job) -> Result<Output, Problem> {
    let pumped = upload.pump(writer);
    tokio::pin!(pumped);
    let output = tokio::select! {
        biased;
        pumped = &mut pumped => {
            pumped?;
            return job.output().await;
        }
        output = job.output() => output?,
    };
    // The recording ended before the body did; the rest of the form must still be valid.
    pumped.await?;
    Ok(output)
}

fn timed_out(service: &Service) -> Problem {
    let seconds = service.limits.request_time.as_secs_f64();
    let detail = format!("the request took longer than {seconds} s, the maximum");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "time", detail).retry_after(10)
}

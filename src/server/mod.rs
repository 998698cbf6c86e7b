//! HTTP server over the engine, with a web page (feature `serve`).
//!
//! ```text
//! TCP ─ connections ─▶ HTTP/1.1     limits on connections, header size and slow clients
//!     ─ routes ──────▶ handler      request id, access log, metrics, token, CORS
//!     ─ admission ───▶ permit       bounded queue, or 429
//!     ─ upload ──────▶ pipe         body or form file, streamed: never whole, never on disk
//!     ─ job ─────────▶ Report       on worker threads that the scheduler time-slices
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `limits` | limits and timeouts |
//! | `service` | state shared by all requests |
//! | `routes`, `paths` | router; names of the paths in metrics and log |
//! | `predict`, `models`, `health`, `page`, `metrics`, `openapi` | handlers |
//! | `upload`, `multipart`, `incoming`, `request_options` | request to file and options |
//! | `admission`, `scheduler`, `pipe`, `job`, `job_control` | queue, workers, one recording |
//! | `golden` | self-test of the health check |
//! | `problem` | error responses (RFC 9457) |
//! | `access_log`, `headers`, `token`, `cors` | middleware |
//! | `connections`, `socket`, `signal`, `run` | accept loop, connections, shutdown |

mod access_log;
mod admission;
mod connections;
mod cors;
mod golden;
mod headers;
mod health;
mod incoming;
mod job;
mod job_control;
mod limits;
mod metrics;
mod models;
mod multipart;
mod openapi;
mod page;
mod paths;
mod pipe;
mod predict;
mod problem;
mod request_options;
mod routes;
mod run;
mod scheduler;
mod service;
mod signal;
mod socket;
mod token;
mod upload;

pub use connections::serve;
pub use limits::Limits;
pub use routes::app;
pub use run::{Log, run};
pub use service::{Service, Settings};

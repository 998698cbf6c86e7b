//! The engine over HTTP, with a page for people (feature `serve`).
//!
//! ```text
//! socket ─ connections ▶ request      limits on connections, headers, slow clients
//!        ─ routes ─────▶ handler      request id, log, counts, token, origins
//!        ─ admission ──▶ place        a bounded queue, or 429
//!        ─ upload ─────▶ pipe         the body or a form's file, chunk by chunk, never whole and never on a disk
//!        ─ job ────────▶ Report       on threads that compute in turns
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `limits` | what is taken at most, and how long is waited |
//! | `service` | what requests share |
//! | `routes` | which address is answered by what |
//! | `predict`, `models`, `health`, `page`, `metrics`, `openapi` | what answers |
//! | `upload`, `multipart`, `incoming`, `asked` | from a body to a file and its options |
//! | `admission`, `turns`, `job`, `pipe` | who is taken in, who computes when |
//! | `problem` | why a request is refused |
//! | `observe`, `headers`, `token`, `origin` | what every request passes |
//! | `connections`, `socket`, `signal`, `run` | sockets, and how they end |

mod admission;
mod asked;
mod connections;
mod headers;
mod health;
mod incoming;
mod job;
mod limits;
mod metrics;
mod models;
mod multipart;
mod observe;
mod openapi;
mod origin;
mod page;
mod pipe;
mod predict;
mod problem;
mod routes;
mod run;
mod service;
mod signal;
mod socket;
mod token;
mod turns;
mod upload;

pub use connections::serve;
pub use limits::Limits;
pub use routes::app;
pub use run::{Log, run};
pub use service::{Service, Settings};

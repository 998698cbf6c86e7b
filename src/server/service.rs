//! State shared by all requests: models, limits, queues, metrics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use super::admission::Admission;
use super::golden::Golden;
use super::limits::Limits;
use super::metrics::{Gauges, Metrics};
use super::problem::Problem;
use super::scheduler::Scheduler;
use super::token::Token;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Settings of a server besides its models.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Limits and timeouts.
    pub limits: Limits,
    /// Token that `/v1` and `/metrics` require as `Authorization: Bearer TOKEN`. Default: none, so
    /// everyone who can reach the server can use it.
    pub token: Option<String>,
    /// Origins of other web pages, such as `https://example.org`, whose scripts may send requests
    /// and read responses. Default: none.
    pub origins: Vec<String>,
}

/// Models, and the state that requests share.
#[derive(Debug)]
pub struct Service {
    engines: Vec<Engine>,
    pub(super) limits: Limits,
    pub(super) token: Option<Token>,
    pub(super) origins: Vec<String>,
    pub(super) admission: Admission,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) metrics: Metrics,
    pub(super) golden: Arc<Golden>,
    /// One permit for each connection that may be open.
    pub(super) connections: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Service {
    /// Service of these models; the first is the default.
    ///
    /// # Errors
    /// [`Error::Usage`] for no model, two models of one name, or invalid settings; errors of the
    /// default model's self-test.
    pub fn new(engines: Vec<Engine>, settings: Settings) -> Result<Arc<Self>> {
        let Settings { limits, token, origins } = settings;
        limits.check()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = engines.iter().map(name_of).find(|name| !names.insert((*name).to_owned())) {
            return Err(Error::usage(format!("two models have the name `{twice}`")));
        }
        let first = engines.first().ok_or_else(|| Error::usage("a server needs at least one model"))?;
        Ok(Arc::new(Self {
            golden: Golden::new(first)?,
            token: token.as_deref().map(Token::new).transpose()?,
            origins,
            admission: Admission::new(&limits),
            scheduler: Scheduler::new(limits.workers),
            metrics: Metrics::new()?,
            connections: Arc::new(Semaphore::new(limits.connections)),
            stopping: AtomicBool::new(false),
            engines,
            limits,
        }))
    }

    /// The engine of the named model, or of the default.
    ///
    /// # Errors
    /// 400 `unknown_model`.
    pub(super) fn engine(&self, name: Option<&str>) -> Result<&Engine, Problem> {
        let found = self.engines.iter().find(|engine| name.is_none_or(|name| name_of(engine) == name));
        found.ok_or_else(|| {
            let names: Vec<String> = self.engines.iter().map(|engine| format!("`{}`", name_of(engine))).collect();
            Problem::bad_request("unknown_model", format!("unknown model; available: {}", names.join(", ")))
        })
    }

    /// All engines, the default first.
    pub(super) fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// Whether the server is shutting down.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Refuses requests from now on; admitted ones are finished.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Number of open connections.
    pub(super) fn open_connections(&self) -> usize {
        self.limits.connections - self.connections.available_permits()
    }

    pub(super) fn gauges(&self) -> Gauges {
        Gauges {
            in_flight: self.admission.in_flight(),
            queue_depth: self.scheduler.waiting(),
            connections: self.open_connections(),
        }
    }
}

/// Name of an engine's model.
pub(super) fn name_of(engine: &Engine) -> &str {
    &engine.model().manifest().name
}

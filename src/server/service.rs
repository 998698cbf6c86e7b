//! What all requests share: the systems, the limits, the turns, the counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::admission::Admission;
use super::health::Golden;
use super::limits::Limits;
use super::metrics::{Gauges, Metrics};
use super::problem::Problem;
use super::token::Token;
use super::turns::Turns;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What a server is set up with, beside its systems.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is taken at most.
    pub limits: Limits,
    /// The token that `/v1` and `/metrics` ask for, as `Authorization: Bearer TOKEN`. Default none: everybody who reaches the server may ask.
    pub token: Option<String>,
    /// Other web pages' origins, such as `https://example.org`, whose scripts may ask and read answers. Default none.
    pub origins: Vec<String>,
}

/// The systems and everything that requests share.
#[derive(Debug)]
pub struct Service {
    engines: Vec<Engine>,
    pub(super) limits: Limits,
    pub(super) token: Option<Token>,
    pub(super) origins: Vec<String>,
    pub(super) admission: Arc<Admission>,
    pub(super) turns: Arc<Turns>,
    pub(super) metrics: Metrics,
    pub(super) golden: Golden,
    pub(super) connections: AtomicUsize,
    stopping: AtomicBool,
}

impl Service {
    /// Over these systems, of which the first answers where none is asked for.
    ///
    /// # Errors
    /// [`Error::Config`] for no system, two of one name, or limits that make no sense; and what its golden inference says.
    pub fn new(engines: Vec<Engine>, settings: Settings) -> Result<Arc<Self>> {
        let Settings { limits, token, origins } = settings;
        limits.check()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = engines.iter().map(name_of).find(|name| !names.insert((*name).to_owned())) {
            return Err(Error::Config(format!("two systems have the name `{twice}`")));
        }
        let first = engines.first().ok_or_else(|| Error::Config("a server needs a system".into()))?;
        Ok(Arc::new(Self {
            golden: Golden::new(first)?,
            token: token.as_deref().map(Token::new).transpose()?,
            origins,
            admission: Admission::new(&limits),
            turns: Turns::new(limits.workers),
            metrics: Metrics::new(),
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            engines,
            limits,
        }))
    }

    /// The system that is asked for.
    pub(super) fn engine(&self, name: Option<&str>) -> Result<&Engine, Problem> {
        let found = self.engines.iter().find(|engine| name.is_none_or(|name| name_of(engine) == name));
        found.ok_or_else(|| {
            let names: Vec<String> = self.engines.iter().map(|engine| format!("`{}`", name_of(engine))).collect();
            let detail = format!("no such system is served; there is {}", names.join(", "));
            Problem::bad_request("unknown_model", detail)
        })
    }

    /// All systems, the default first.
    pub(super) fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// Whether no more requests are taken in.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// From now on requests are refused; those taken in are answered.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(super) fn gauges(&self) -> Gauges {
        Gauges {
            in_flight: self.admission.taken(),
            queue_depth: self.turns.waiting(),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}

/// The name by which a system is asked for.
pub(super) fn name_of(engine: &Engine) -> &str {
    &engine.system().manifest().name
}

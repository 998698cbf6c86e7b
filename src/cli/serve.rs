//! `persona-engine serve`

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use persona_engine::engine::{Catalogue, DEFAULT_MODEL, Engine, LoadOptions, Model, Options, Place};
use persona_engine::server::{self, Limits, Log, Service, Settings};
use persona_engine::{Error, Result};

use super::model_choice::{self, model_variable};
use super::prediction_args::HeadArgs;
use super::stop::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one. Use a non-loopback address to accept remote
    /// clients.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// Model to serve; repeat for more. The first one is used for requests that name none [default:
    /// $PERSONA_MODEL, else the models inside the program].
    #[arg(long = "model", value_name = "NAME|FILE")]
    models: Vec<OsString>,
    /// Token that requests must send (Authorization: Bearer TOKEN). Other users of this machine can
    /// see it in the process list.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// File that contains the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Accept requests from scripts of web pages of this origin, such as https://example.org. May
    /// be repeated.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    #[command(flatten)]
    heads: HeadArgs,
    /// Format of the request log, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Recordings processed at a time [default: one per CPU].
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Requests that may wait for a worker; further ones get 429.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    queue: usize,
    /// Open connections; further ones get 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Size of a request body, MB (10^6 bytes); larger ones get 413.
    #[arg(long, value_name = "MB", default_value_t = Limits::default().body_bytes / 1_000_000)]
    max_body: u64,
    /// Size up to which an M4A may have its index after the audio, as phones write it, MB; larger
    /// ones need it in front.
    #[arg(long, value_name = "MB", default_value_t = Limits::default().held_bytes / 1_000_000)]
    max_held: u64,
    /// Length of a recording, seconds; longer ones get 413.
    #[arg(long, value_name = "S", default_value_t = Limits::default().audio_seconds)]
    max_audio: f64,
    /// Samples of a recording, all channels together, millions; more get 413.
    #[arg(long, value_name = "M", default_value_t = Limits::default().decoded_samples / 1_000_000)]
    max_samples: u64,
    /// Time for one request, seconds; then 503.
    #[arg(long, value_name = "S", default_value_t = Limits::default().request_time.as_secs())]
    max_time: u64,
    /// Size of a request header, bytes; larger ones get 431.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().header_bytes)]
    max_header: usize,
    /// Parts of a multipart form; more get 413.
    #[arg(long, value_name = "N", default_value_t = Limits::default().form_parts)]
    max_parts: usize,
    /// Time for receiving a header, and for an idle connection, seconds.
    #[arg(long, value_name = "S", default_value_t = Limits::default().header_time.as_secs())]
    header_time: u64,
    /// Time that a client may neither send a part of the body nor read a part of the response,
    /// seconds; then 408.
    #[arg(long, value_name = "S", default_value_t = Limits::default().patience.as_secs())]
    patience: u64,
    /// Minimum upload rate, bytes per second; slower ones get 408.
    #[arg(long, value_name = "N", default_value_t = Limits::default().body_rate)]
    min_rate: u64,
    /// Time for running requests to finish after SIGTERM, seconds.
    #[arg(long, value_name = "S", default_value_t = Limits::default().grace.as_secs())]
    grace: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One line per request.
    Text,
    /// One JSON object per request.
    Json,
    /// No log.
    Off,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine serve                                       then open http://127.0.0.1:8080/
  persona-engine serve --bind 0.0.0.0:8080 --token-file /etc/persona-engine/token
  curl -F file=@call.wav http://127.0.0.1:8080/v1/predict
  curl --data-binary @call.mp3 -H 'Content-Type: audio/mpeg' 'http://127.0.0.1:8080/v1/predict?model=xvector-cnn'

After SIGTERM it finishes the running requests and refuses new ones.";

/// Serves until a signal. Always returns true.
pub(super) fn run(args: &ServeArgs, err: &mut dyn Write) -> Result<bool, Stop> {
    let service = args.service()?;
    let is_open = args.token.is_none() && args.token_file.is_none() && !args.bind.ip().is_loopback();
    let log = match args.log {
        LogFormat::Text => Log::Text,
        LogFormat::Json => Log::Json,
        LogFormat::Off => Log::Off,
    };
    let listening = |address: SocketAddr| {
        // The server must start even if standard error cannot be written.
        let _ = writeln!(err, "persona-engine: listening on http://{address}/");
        if is_open {
            let _ = writeln!(
                err,
                "persona-engine: warning: open to every client that reaches this address; set --token-file"
            );
        }
    };
    server::run(&service, args.bind, log, listening)?;
    Ok(true)
}

impl ServeArgs {
    fn service(&self) -> Result<Arc<Service>> {
        let token = match &self.token_file {
            None => self.token.clone(),
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| Error::from(error).in_file(path))?;
                Some(text.trim().to_owned())
            }
        };
        Service::new(self.engines()?, Settings { limits: self.limits.limits(), token, origins: self.origins.clone() })
    }

    /// One engine per model, the default one first.
    fn engines(&self) -> Result<Vec<Engine>> {
        let options = Options { heads: self.heads.active()?, ..Options::default() };
        let engine = |model: Model| Engine::new(model, options.clone());
        if !self.models.is_empty() {
            return self.models.iter().map(|name| engine(model_choice::open(Some(name), None)?)).collect();
        }
        let mut engines = vec![engine(model_choice::open(None, None)?)?];
        if model_variable().is_none() {
            let catalogue = Catalogue::installed();
            let others = catalogue.entries().iter().filter(|entry| entry.name != DEFAULT_MODEL);
            for entry in others.filter(|entry| matches!(entry.place, Place::Inside(_))) {
                engines.push(engine(entry.load(LoadOptions::default())?)?);
            }
        }
        Ok(engines)
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            workers: self.workers.unwrap_or(Limits::default().workers),
            queue: self.queue,
            connections: self.max_connections,
            body_bytes: self.max_body.saturating_mul(1_000_000),
            held_bytes: self.max_held.saturating_mul(1_000_000),
            audio_seconds: self.max_audio,
            decoded_samples: self.max_samples.saturating_mul(1_000_000),
            request_time: seconds(self.max_time),
            header_bytes: self.max_header,
            header_time: seconds(self.header_time),
            patience: seconds(self.patience),
            body_rate: self.min_rate,
            form_parts: self.max_parts,
            grace: seconds(self.grace),
        }
    }
}

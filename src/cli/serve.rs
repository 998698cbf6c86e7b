//! `persona-engine serve`

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use persona_engine::engine::{Catalogue, DEFAULT_MODEL, Engine, LoadOptions, Options, Place};
use persona_engine::server::{self, Limits, Log, Service, Settings};
use persona_engine::{Error, Result};

use super::Stop;
use super::args::{HeadArgs, PrecisionArg, classifier, model_variable};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Where to listen. Port 0 takes a free one. Others than this machine can reach it only at an address that is not 127.0.0.1.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// A system to serve, again for more; the first one answers where a request names none [default: $PERSONA_MODEL, else those inside the
    /// program].
    #[arg(long = "model", value_name = "NAME|FILE")]
    models: Vec<OsString>,
    /// The token that requests must bring (Authorization: Bearer TOKEN). Other users of the machine can see it in the list of processes.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Another web page's origin whose scripts may ask, such as https://example.org. Again for more.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    #[command(flatten)]
    heads: HeadArgs,
    /// How requests are logged, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
    #[command(flatten)]
    limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Recordings computed at one time [default: one a CPU].
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Requests taken in beyond those; past them 429.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    queue: usize,
    /// Open connections; past them 503.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Bytes of a request's body, in MB (10^6); past them 413.
    #[arg(long, value_name = "MB", default_value_t = Limits::default().body_bytes / 1_000_000)]
    max_body: u64,
    /// An M4A up to this, in MB, may have its index behind its sound, as telephones write it; longer ones need it in front.
    #[arg(long, value_name = "MB", default_value_t = Limits::default().held_bytes / 1_000_000)]
    max_held: u64,
    /// Length of a recording, in seconds; past it 413.
    #[arg(long, value_name = "S", default_value_t = Limits::default().audio_seconds)]
    max_audio: f64,
    /// Samples of a recording, of all channels, in millions; past them 413.
    #[arg(long, value_name = "M", default_value_t = Limits::default().decoded_samples / 1_000_000)]
    max_samples: u64,
    /// Time for one request, in seconds; past it 503.
    #[arg(long, value_name = "S", default_value_t = Limits::default().request_time.as_secs())]
    max_time: u64,
    /// Bytes of a request's header; past them 431.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().header_bytes)]
    max_header: usize,
    /// Parts of a form; past them 413.
    #[arg(long, value_name = "N", default_value_t = Limits::default().form_parts)]
    max_parts: usize,
    /// Time for a header to come in, and for an idle connection, in seconds.
    #[arg(long, value_name = "S", default_value_t = Limits::default().header_time.as_secs())]
    header_time: u64,
    /// How long a client may send nothing of a body or read nothing of an answer, in seconds; past it 408.
    #[arg(long, value_name = "S", default_value_t = Limits::default().patience.as_secs())]
    patience: u64,
    /// The slowest upload that is waited for, in bytes a second; past it 408.
    #[arg(long, value_name = "N", default_value_t = Limits::default().body_rate)]
    min_rate: u64,
    /// After SIGTERM, how long what runs may take to finish, in seconds.
    #[arg(long, value_name = "S", default_value_t = Limits::default().grace.as_secs())]
    grace: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A line a request.
    Text,
    /// A JSON object a request.
    Json,
    /// Nothing.
    Off,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine serve                                       then open http://127.0.0.1:8080/
  persona-engine serve --bind 0.0.0.0:8080 --token-file /etc/persona-engine/token
  curl -F file=@call.wav http://127.0.0.1:8080/v1/predict
  curl --data-binary @call.mp3 -H 'Content-Type: audio/mpeg' 'http://127.0.0.1:8080/v1/predict?model=xvector-cnn'

SIGTERM lets it finish what runs and refuse what comes.";

/// Serves until a signal. Returns true: a server that was asked to stop has done its work.
pub(super) fn run(args: &ServeArgs, err: &mut dyn Write) -> Result<bool, Stop> {
    let service = args.service().map_err(Stop::SetUp)?;
    let open_to_all = args.token.is_none() && args.token_file.is_none() && !is_local(args.bind.ip());
    let log = match args.log {
        LogFormat::Text => Log::Text,
        LogFormat::Json => Log::Json,
        LogFormat::Off => Log::Off,
    };
    let listening = |address: SocketAddr| {
        // A server without a standard error still serves.
        let _ = writeln!(err, "persona-engine: listening on http://{address}/");
        if open_to_all {
            let _ = writeln!(err, "persona-engine: warning: whoever reaches this address may ask; set --token-file");
        }
    };
    server::run(&service, args.bind, log, listening).map_err(Stop::SetUp)?;
    Ok(true)
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback()
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

    fn engines(&self) -> Result<Vec<Engine>> {
        let options = Options { heads: self.heads.active()?, ..Options::default() };
        let of = |model| Engine::new(model, options.clone());
        let requested = |name| classifier(name, PrecisionArg(None));
        if !self.models.is_empty() {
            return self.models.iter().map(|name| requested(Some(name)).and_then(of)).collect();
        }
        if model_variable().is_some() {
            return Ok(vec![of(requested(None)?)?]);
        }
        let catalogue = Catalogue::installed();
        let mut engines = vec![of(catalogue.load(DEFAULT_MODEL, LoadOptions::default())?)?];
        for entry in catalogue.entries().iter().filter(|entry| entry.name != DEFAULT_MODEL) {
            if let Place::Inside(_) = entry.place {
                engines.push(of(entry.load(LoadOptions::default())?)?);
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

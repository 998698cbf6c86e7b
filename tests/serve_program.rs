//! `persona-engine serve` as a process: its messages, its shutdown, and its memory under invalid
//! input.
#![cfg(all(unix, feature = "cli", feature = "serve", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]
#![allow(clippy::panic, reason = "likewise")]
#![allow(clippy::print_stdout, reason = "a skipped test prints that it is")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use common::server::{Connection, posted};
use common::{buzz, pcm16, wav};
use serde_json::Value;

/// A server process. Dropped, it is killed.
struct Program {
    child: Child,
    err: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_persona-engine"));
        command.args(["serve", "--bind", "127.0.0.1:0", "--model", "xvector-cnn"]).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("persona-engine: listening on http://").unwrap_or_else(|| panic!("{line}"));
        Self { address: address.trim_end_matches('/').parse().unwrap(), child, err }
    }

    fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the exit; returns the exit code and the log.
    fn wait(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.err.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn clip() -> Vec<u8> {
    wav(1, 1, 16_000, 16, &pcm16(&buzz(16_000, 16_000.0)))
}

/// Eight clients send requests without a pause; meanwhile the server gets SIGTERM. Every response
/// that it logged was received; every other request was refused or got no response, never a part of
/// one.
#[test]
fn shutdown_under_load_loses_no_accepted_request() {
    let program = Program::start(&["--log", "json"]);
    let (address, clip, received) = (program.address, clip(), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        for client in 0..8 {
            let (clip, received, program) = (&clip, &received, &program);
            scope.spawn(move || {
                let mut connection = Connection::to(address);
                for k in 0.. {
                    let id = format!("c{client}-{k}");
                    let request = posted("/v1/predict", &format!("audio/wav\r\nx-request-id: {id}"), clip);
                    match connection.try_request(&request) {
                        Some(response) if response.status == 200 => {
                            assert!(response.json()["emotion"]["label"].is_string());
                            assert_eq!(response.header("x-request-id"), Some(id.as_str()));
                            received.lock().unwrap().insert(id);
                        }
                        Some(response) => return response.assert_problem(503, "stopping", &["try again"]),
                        None => return,
                    }
                    if client == 0 && k == 20 {
                        program.terminate();
                    }
                }
            });
        }
    });
    let (code, log) = program.wait();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    let events: Vec<Value> = lines.collect();
    assert!(events.iter().all(|event| event["message"] == "answered"), "{log}");
    let answered = events.iter().filter(|event| event["status"] == 200);
    let answered: BTreeSet<String> = answered.map(|event| event["request_id"].as_str().unwrap().to_owned()).collect();
    assert!(answered.len() > 20);
    assert_eq!((answered, code), (received.into_inner().unwrap(), Some(0)));
}

#[test]
fn invalid_input_takes_no_memory() {
    let program = Program::start(&["--log", "off", "--max-audio", "60"]);
    let resident = || {
        let metrics = Connection::to(program.address).request(b"GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        line.map(|bytes| bytes.parse::<u64>().unwrap())
    };
    let status = |request: &[u8]| Connection::to(program.address).request(request).status;
    assert_eq!(status(&posted("/v1/predict", "audio/wav", &clip())), 200);
    let Some(before) = resident() else {
        println!("invalid_input_takes_no_memory: skipped, this system does not report a process's memory");
        return;
    };
    let mut frame = [0; 144];
    frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x48, 0xC0]);
    let part = b"--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n".to_vec();
    for _ in 0..3 {
        assert_eq!(status(&posted("/v1/predict", "audio/mpeg", &frame.repeat(100_000))), 413);
        assert_eq!(
            status(&posted(
                "/v1/predict",
                "multipart/form-data; boundary=xYz",
                &[&part[..], &vec![b'm'; 20_000_000]].concat()
            )),
            400
        );
        assert_eq!(status(&posted("/v1/predict", "", &vec![0; 20_000_000])), 415);
        assert_eq!(status(format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(1_000_000)).as_bytes()), 431);
    }
    let after = resident().unwrap();
    assert!(after < before + 30_000_000, "{before} bytes before, {after} after");
}

#[test]
fn invalid_settings_are_usage_errors() {
    let cases: &[(&[&str], &str)] = &[
        (&["--bind", "203.0.113.1:80"], "cannot listen on 203.0.113.1:80"),
        (&["--workers", "0"], "workers: 0"),
        (&["--model", "nobody"], "`nobody`"),
        (&["--model", "xvector-cnn", "--model", "xvector-cnn"], "two models have the name"),
        (&["--token-file", "/nowhere/token"], "/nowhere/token"),
        (&["--token", ""], "token is empty"),
    ];
    for (arguments, words) in cases {
        let output = common::program::run(["serve"].iter().chain(*arguments));
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{arguments:?}: {}", output.err);
        assert!(output.err.contains(words), "{arguments:?}: {}", output.err);
    }
}

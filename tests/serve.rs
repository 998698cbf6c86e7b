//! The server over TCP: its predictions are the engine's, and every refusal has a reason code.
#![cfg(all(feature = "serve", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;

use common::fixture;
use common::server::{Response, Server, form, posted};
use persona_engine::server::{Limits, Settings};
use persona_engine::{Catalogue, Engine, LoadOptions, Options, Recording};
use serde_json::Value;

fn speech() -> Vec<u8> {
    fs::read(fixture("speech.wav")).unwrap()
}

/// A report without its timings.
fn without_timings(mut report: Value) -> Value {
    report["timings_ms"] = Value::Null;
    report
}

/// Engine of `xvector-cnn`.
fn engine(options: Options) -> Engine {
    let model = Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap();
    Engine::new(model, options).unwrap()
}

/// The engine's report of a file.
fn engine_report(name: &str, options: Options) -> Value {
    let recording = Recording::reader(fs::File::open(fixture(name)).unwrap()).named(name);
    let report = engine(options).infer(recording).unwrap();
    without_timings(serde_json::to_value(report).unwrap())
}

/// The report of a successful response.
fn report(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    without_timings(response.json())
}

#[test]
fn forms_and_plain_bodies_get_the_engines_report() {
    let server = Server::limited(Limits::default());
    let expected = engine_report("speech.wav", Options::default());
    let by_form = server.post_form(&[("file", Some("speech.wav"), &speech())]);
    assert_eq!(report(&by_form), expected);
    let by_bytes = report(&server.post("/v1/predict", "audio/wav", &speech()));
    assert_eq!((&by_bytes["file"], &by_bytes["emotion"]), (&"-".into(), &expected["emotion"]));
    assert!(by_form.header("x-request-id").is_some_and(|id| !id.is_empty()));
    assert_eq!(server.metric("persona_requests_total{route=\"/v1/predict\",status=\"200\"}"), Some(2.0));
    assert!(server.metric("persona_audio_seconds_total").unwrap() > 8.0);
}

#[test]
fn options_are_query_parameters_or_parts_before_the_file() {
    let server = Server::limited(Limits::default());
    let expected = engine_report("speech.wav", Options { min_confidence: 1.0, ..Options::default() });
    let by_query = server.post("/v1/predict?min_confidence=1", "", &speech());
    assert_eq!(report(&by_query)["withheld"], expected["withheld"]);
    let parts: [(&str, Option<&str>, &[u8]); 3] =
        [("model", None, b"xvector-cnn"), ("min_confidence", None, b"1.0"), ("file", Some("speech.wav"), &speech())];
    assert_eq!(report(&server.post_form(&parts)), expected);
    let turned = [parts[2], parts[1]];
    server.post_form(&turned).assert_problem(400, "bad_form", &["`min_confidence`", "put options before"]);
    server.post("/v1/predict?model=nobody", "", &speech()).assert_problem(400, "unknown_model", &["`xvector-cnn`"]);
    server.post("/v1/predict?heards=age", "", &speech()).assert_problem(400, "bad_option", &["`heards`"]);
}

/// Its index follows its audio.
#[cfg(feature = "formats")]
#[test]
fn an_m4a_as_phones_write_it_is_decoded() {
    let bytes = fs::read(fixture("clip-16k-aac.m4a")).unwrap();
    let position = |name: &[u8]| bytes.windows(4).position(|word| word == name).unwrap();
    assert!(position(b"moov") > position(b"mdat"));
    let server = Server::limited(Limits::default());
    assert_eq!(report(&server.post_form(&[("file", Some("a.m4a"), &bytes)]))["sample_rate_hz"], 16_000);
    let limited = Server::limited(Limits { held_bytes: 100, ..Limits::default() });
    limited.post("/v1/predict", "audio/mp4", &bytes).assert_problem(422, "malformed", &["+faststart"]);
}

#[test]
fn timelines_and_separate_channels_are_options() {
    let server = Server::limited(Limits::default());
    let whole = report(&server.post("/v1/predict?timeline=true", "", &speech()));
    let segments = whole["timeline"].as_array().unwrap();
    assert_eq!((&segments[0]["start_s"], whole["summary"].is_object()), (&0.0.into(), true));
    let channels = report(&server.post_form(&[("per_channel", None, b"true"), ("file", None, &speech())]));
    assert_eq!(channels["per_channel"][0]["channel"], 1);
    assert!(channels.get("emotion").is_none() && channels["per_channel"][0].get("timeline").is_none());
}

#[test]
fn embeddings_are_the_engines() {
    let recording = Recording::reader(fs::File::open(fixture("speech.wav")).unwrap()).named("speech.wav");
    let expected = engine(Options::default()).embed(recording).unwrap();
    let server = Server::limited(Limits::default());
    let kind = "multipart/form-data; boundary=xYz";
    let response = server.post("/v1/embed", kind, &form(&[("file", Some("speech.wav"), &speech())]));
    // Through text: `to_value` would write an f32 with the digits of an f64.
    let expected: Value = serde_json::from_slice(&serde_json::to_vec(&expected).unwrap()).unwrap();
    assert_eq!(response.json(), expected);
    let short = common::wav(1, 1, 16_000, 16, &[0; 20]);
    server.post("/v1/embed", "audio/wav", &short).assert_problem(422, "too_short", &["too short"]);
}

#[test]
fn requests_share_a_connection() {
    let server = Server::limited(Limits::default());
    let mut connection = server.connect();
    let first = connection.request(&posted("/v1/predict", "audio/wav", &speech()));
    let refused = connection.request(&posted("/v1/predict", "audio/wav", b"<html></html>"));
    refused.assert_problem(415, "unsupported", &["looks like text"]);
    let third = connection.request(&posted(
        "/v1/predict",
        "multipart/form-data; boundary=xYz",
        &form(&[("file", None, &speech())]),
    ));
    assert_eq!(report(&first), report(&third));
}

#[test]
fn the_page_has_a_strict_content_security_policy() {
    let server = Server::limited(Limits::default());
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self';"));
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
    {
        assert_eq!(page.header(name), Some(value));
    }
    for link in
        page.text().split(['"']).filter(|text| [".js", ".css", ".svg"].iter().any(|ending| text.ends_with(ending)))
    {
        let path = format!("/{}", link.trim_start_matches('/'));
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
    server.get("/nothing").assert_problem(404, "not_found", &[]);
    server.get("/v1/predict").assert_problem(405, "method", &[]);
}

#[test]
fn models_and_health_are_reported() {
    let server = Server::limited(Limits::default());
    let models = server.get("/v1/models").json();
    assert_eq!((&models["default"], &models["models"][0]["emotions"][0]), (&"xvector-cnn".into(), &"anger".into()));
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    assert_eq!(server.get("/readyz").json()["status"], "ok");
}

#[test]
fn the_token_protects_all_but_the_page_and_the_health_checks() {
    let server = Server::new(Settings { token: Some("s3cret".into()), ..Settings::default() });
    for open in ["/", "/healthz", "/readyz"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
    for protected in ["/v1/models", "/metrics"] {
        let refused = server.get(protected);
        refused.assert_problem(401, "token", &["Bearer"]);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    server.post("/v1/predict", "audio/wav", &speech()).assert_problem(401, "token", &[]);
    let authorized = b"GET /v1/models HTTP/1.1\r\nhost: test\r\nauthorization: Bearer s3cret\r\n\r\n";
    assert_eq!(server.connect().request(authorized).status, 200);
}

#[test]
fn other_origins_are_refused_unless_allowed() {
    let server = Server::new(Settings { origins: vec!["https://example.org".into()], ..Settings::default() });
    let from = |origin: &str, method: &str, path: &str| {
        server.connect().request(
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\ncontent-length: 0\r\n\r\n")
                .as_bytes(),
        )
    };
    from("https://evil.example", "POST", "/v1/predict").assert_problem(403, "origin", &[]);
    assert_eq!(from("https://evil.example", "GET", "/v1/models").header("access-control-allow-origin"), None);
    let allowed = from("https://example.org", "GET", "/v1/models");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://example.org"));
    let preflight = from("https://example.org", "OPTIONS", "/v1/predict");
    assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, Some("GET, POST")));
    assert_ne!(from("http://test", "POST", "/v1/predict").status, 403);
}

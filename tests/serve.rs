//! The server over a real socket: the same answers as the engine's own, and a reason for everything that it refuses.
#![cfg(all(feature = "serve", feature = "embedded-weights"))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::fs;

use common::fixture;
use common::server::{Answer, Server, form, posted};
use persona_engine::engine::{Catalogue, Engine, NoControl, Options, Recording};
use persona_engine::server::{Limits, Settings};
use serde_json::Value;

fn speech() -> Vec<u8> {
    fs::read(fixture("speech.wav")).unwrap()
}

/// An answer without its times.
fn timeless(mut report: Value) -> Value {
    report["timings_ms"] = Value::Null;
    report
}

/// What the engine itself says of a file.
fn said(name: &str, options: Options) -> Value {
    let engine = Engine::new(Catalogue::of(&[]).system("xvector-cnn").unwrap(), options).unwrap();
    let report = engine.infer_reader(fs::File::open(fixture(name)).unwrap(), name).unwrap();
    timeless(serde_json::to_value(report).unwrap())
}

fn answered(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    timeless(answer.json())
}

#[test]
fn a_form_and_plain_bytes_are_answered_as_the_engine_does() {
    let server = Server::limited(Limits::default());
    let expected = said("speech.wav", Options::default());
    let by_form = server.post_form(&[("file", Some("speech.wav"), &speech())]);
    assert_eq!(answered(&by_form), expected);
    let by_bytes = answered(&server.post("/v1/predict", "audio/wav", &speech()));
    assert_eq!((&by_bytes["file"], &by_bytes["emotion"]), (&"-".into(), &expected["emotion"]));
    assert!(by_form.header("x-request-id").is_some_and(|id| !id.is_empty()));
    assert_eq!(server.metric("persona_requests_total{route=\"/v1/predict\",status=\"200\"}"), Some(2.0));
    assert!(server.metric("persona_audio_seconds_total").unwrap() > 8.0);
}

#[test]
fn options_come_in_the_query_or_before_the_file() {
    let server = Server::limited(Limits::default());
    let expected = said("speech.wav", Options { min_confidence: 1.0, ..Options::default() });
    let by_query = server.post("/v1/predict?min_confidence=1", "", &speech());
    assert_eq!(answered(&by_query)["withheld"], expected["withheld"]);
    let parts: [(&str, Option<&str>, &[u8]); 3] =
        [("model", None, b"xvector-cnn"), ("min_confidence", None, b"1.0"), ("file", Some("speech.wav"), &speech())];
    assert_eq!(answered(&server.post_form(&parts)), expected);
    let turned = [parts[2], parts[1]];
    server.post_form(&turned).refuses(400, "bad_form", &["`min_confidence`", "put options before"]);
    server.post("/v1/predict?model=nobody", "", &speech()).refuses(400, "unknown_model", &["`xvector-cnn`"]);
    server.post("/v1/predict?heards=age", "", &speech()).refuses(400, "bad_option", &["`heards`"]);
}

/// Its index lies behind its sound.
#[cfg(feature = "formats")]
#[test]
fn an_m4a_as_telephones_write_it_is_answered() {
    let bytes = fs::read(fixture("clip-16k-aac.m4a")).unwrap();
    let place = |name: &[u8]| bytes.windows(4).position(|word| word == name).unwrap();
    assert!(place(b"moov") > place(b"mdat"));
    let server = Server::limited(Limits::default());
    assert_eq!(answered(&server.post_form(&[("file", Some("a.m4a"), &bytes)]))["sample_rate_hz"], 16_000);
    let stingy = Server::limited(Limits { held_bytes: 100, ..Limits::default() });
    stingy.post("/v1/predict", "audio/mp4", &bytes).refuses(422, "malformed", &["+faststart"]);
}

#[test]
fn a_timeline_and_channels_apart_are_answered_where_they_are_asked_for() {
    let server = Server::limited(Limits::default());
    let whole = answered(&server.post("/v1/predict?timeline=true", "", &speech()));
    let segments = whole["timeline"].as_array().unwrap();
    assert_eq!((&segments[0]["start_s"], whole["summary"].is_object()), (&0.0.into(), true));
    let apart = answered(&server.post_form(&[("per_channel", None, b"true"), ("file", None, &speech())]));
    assert_eq!(apart["per_channel"][0]["channel"], 1);
    assert!(apart.get("emotion").is_none() && apart["per_channel"][0].get("timeline").is_none());
}

#[test]
fn an_embedding_is_the_engines_own() {
    let engine = Engine::new(Catalogue::of(&[]).system("xvector-cnn").unwrap(), Options::default()).unwrap();
    let recording = Recording::stream(fs::File::open(fixture("speech.wav")).unwrap(), "speech.wav");
    let expected = engine.embed(recording, &mut NoControl).unwrap();
    let server = Server::limited(Limits::default());
    let kind = "multipart/form-data; boundary=xYz";
    let found = server.post("/v1/embed", kind, &form(&[("file", Some("speech.wav"), &speech())]));
    // As text: in a `Value` an f32 has the digits of its f64.
    let expected: Value = serde_json::from_slice(&serde_json::to_vec(&expected).unwrap()).unwrap();
    assert_eq!(found.json(), expected);
    let short = common::wav(1, 1, 16_000, 16, &[0; 20]);
    server.post("/v1/embed", "audio/wav", &short).refuses(422, "too_short", &["too short"]);
}

#[test]
fn several_requests_share_a_connection() {
    let server = Server::limited(Limits::default());
    let mut connection = server.connect();
    let first = connection.ask(&posted("/v1/predict", "audio/wav", &speech()));
    let refused = connection.ask(&posted("/v1/predict", "audio/wav", b"<html></html>"));
    refused.refuses(415, "unsupported", &["looks like text"]);
    let third = connection.ask(&posted(
        "/v1/predict",
        "multipart/form-data; boundary=xYz",
        &form(&[("file", None, &speech())]),
    ));
    assert_eq!(answered(&first), answered(&third));
}

#[test]
fn the_page_is_served_with_a_strict_policy() {
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
    server.get("/nothing").refuses(404, "not_found", &[]);
    server.get("/v1/predict").refuses(405, "method", &[]);
}

#[test]
fn models_and_health() {
    let server = Server::limited(Limits::default());
    let models = server.get("/v1/models").json();
    assert_eq!((&models["default"], &models["models"][0]["emotions"][0]), (&"xvector-cnn".into(), &"anger".into()));
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    assert_eq!(server.get("/readyz").json()["status"], "ok");
}

#[test]
fn a_token_guards_all_but_the_page_and_the_health() {
    let server = Server::new(Settings { token: Some("s3cret".into()), ..Settings::default() });
    for open in ["/", "/healthz", "/readyz"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
    for guarded in ["/v1/models", "/metrics"] {
        let refused = server.get(guarded);
        refused.refuses(401, "token", &["Bearer"]);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    server.post("/v1/predict", "audio/wav", &speech()).refuses(401, "token", &[]);
    let asked = b"GET /v1/models HTTP/1.1\r\nhost: test\r\nauthorization: Bearer s3cret\r\n\r\n";
    assert_eq!(server.connect().ask(asked).status, 200);
}

#[test]
fn other_pages_may_ask_only_if_allowed() {
    let server = Server::new(Settings { origins: vec!["https://example.org".into()], ..Settings::default() });
    let from = |origin: &str, method: &str, path: &str| {
        server.connect().ask(
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\ncontent-length: 0\r\n\r\n")
                .as_bytes(),
        )
    };
    from("https://evil.example", "POST", "/v1/predict").refuses(403, "origin", &[]);
    assert_eq!(from("https://evil.example", "GET", "/v1/models").header("access-control-allow-origin"), None);
    let allowed = from("https://example.org", "GET", "/v1/models");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://example.org"));
    let asked = from("https://example.org", "OPTIONS", "/v1/predict");
    assert_eq!((asked.status, asked.header("access-control-allow-methods")), (204, Some("GET, POST")));
    assert_ne!(from("http://test", "POST", "/v1/predict").status, 403);
}

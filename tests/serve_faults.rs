//! Invalid input, misbehaving clients and overload: each gets a reason code, frees its queue place,
//! and leaves the server working.
#![cfg(all(feature = "serve", embedded_weights))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::time::Duration;

use common::server::{Server, form, posted};
use common::{buzz, pcm16, wav, wav_claiming};
use persona_engine::server::Limits;

fn server() -> Server {
    Server::limited(Limits::default())
}

/// WAV of this many repetitions of 3 s of voice-like sound.
fn recording(times: usize) -> Vec<u8> {
    wav(1, 1, 16_000, 16, &pcm16(&buzz(48_000, 16_000.0)).repeat(times))
}

/// Asserts that no request is in flight and that a valid one succeeds.
fn assert_healthy(server: &Server) {
    server.wait_for("persona_in_flight", 0.0);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.post("/v1/predict", "audio/wav", &recording(1)).status, 200);
}

/// A request whose `Content-Length` is larger than its body.
fn incomplete(body: &[u8], content_length: usize) -> Vec<u8> {
    let head = format!("POST /v1/predict HTTP/1.1\r\nhost: test\r\ncontent-length: {content_length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// File name, bytes, status, reason, words of the detail; the first word is the file name.
type Case<'a> = (&'a str, &'a [u8], u16, &'a str, &'a [&'a str]);

#[test]
fn invalid_recordings_get_the_command_lines_errors() {
    let server = server();
    let good = recording(1);
    let html = b"<!DOCTYPE html><html><body>404</body></html>";
    let claims = wav_claiming(1, 1, 16_000, 16, &[0; 1000], 0x3FFF_FFF0);
    let cases: &[Case<'_>] = &[
        ("page.wav", html, 415, "unsupported", &["page.wav", "looks like text"]),
        ("empty.wav", b"", 422, "malformed", &["empty.wav", "0 bytes"]),
        ("cut.wav", &good[..20_000], 422, "malformed", &["cut.wav", "WAV", "truncated"]),
        ("1-gb.wav", &claims, 422, "malformed", &["1-gb.wav", "WAV"]),
        (
            "65535-channels.wav",
            &wav(1, 65_535, 16_000, 16, &[0; 64]),
            413,
            "over_limit",
            &["65535-channels.wav", "channels", "65535"],
        ),
        ("0-hz.wav", &wav(1, 1, 0, 16, &[0; 64]), 422, "malformed", &["0-hz.wav", "0 Hz"]),
        ("x.pdf", b"%PDF-1.7\n\xff\xff", 415, "unsupported", &["x.pdf", "PDF"]),
    ];
    for (name, bytes, status, reason, words) in cases {
        server.post_form(&[("file", Some(name), bytes)]).assert_problem(*status, reason, words);
        server.post("/v1/predict", "audio/wav", bytes).assert_problem(*status, reason, &words[1..]);
    }
    assert_healthy(&server);
}

#[test]
fn invalid_forms_are_refused() {
    let server = server();
    let good = recording(1);
    let file = ("file", Some("a.wav"), good.as_slice());
    server.post_form(&[]).assert_problem(400, "no_file", &["`file`"]);
    server.post_form(&[("model", None, b"xvector-cnn")]).assert_problem(400, "no_file", &["`file`"]);
    server.post_form(&[("fiel", Some("a.wav"), b"sound")]).assert_problem(400, "bad_option", &["`fiel`"]);
    server.post_form(&[("fiel", Some("a.wav"), &good)]).assert_problem(
        400,
        "bad_option",
        &["longer than 1024", "`file`"],
    );
    server.post_form(&[file, file]).assert_problem(400, "bad_form", &["two parts `file`"]);
    let whole = form(&[file]);
    let kind = "multipart/form-data; boundary=xYz";
    let broken = server.post("/v1/predict", kind, &whole[..whole.len() - 9]);
    broken.assert_problem(400, "upload_broken", &["last boundary"]);
    server.post("/v1/predict", "multipart/form-data; boundary=other", &whole).assert_problem(400, "upload_broken", &[]);
    server.post("/v1/predict", "multipart/form-data", &whole).assert_problem(400, "bad_form", &["names no boundary"]);
    let endless = [b"--xYz\r\nA: ".to_vec(), vec![b'a'; 100_000]].concat();
    server.post("/v1/predict", kind, &endless).assert_problem(400, "bad_form", &["header has more than"]);
    assert_healthy(&server);
}

#[test]
fn wrong_content_types_are_refused() {
    let server = server();
    for kind in ["application/json", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"] {
        server.post("/v1/predict", kind, &recording(1)).assert_problem(
            415,
            "content_type",
            &["multipart/form-data", "audio/*"],
        );
    }
    assert_healthy(&server);
}

#[test]
fn forms_of_100_000_parts_are_refused() {
    let server = server();
    let part: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"activity\"\r\n\r\ntrue\r\n";
    let other: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRIFF\r\n";
    let kind = "multipart/form-data; boundary=xYz";
    server.post("/v1/predict", kind, &part.repeat(100_000)).assert_problem(
        400,
        "bad_option",
        &["`activity` is set twice"],
    );
    let limited = Server::limited(Limits { form_parts: 1, ..Limits::default() });
    limited.post("/v1/predict", kind, &[part, &other.repeat(100_000)].concat()).assert_problem(
        413,
        "too_many_parts",
        &["more than 1 parts"],
    );
    assert_healthy(&server);
}

#[test]
fn headers_over_the_limit_are_refused() {
    let server = server();
    let asked = |bytes: usize| format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "a".repeat(bytes));
    let refused = server.connect().request(asked(20_000).as_bytes());
    refused.assert_problem(431, "header_too_large", &["at most 16384"]);
    assert_eq!(server.connect().request(asked(1_000_000).as_bytes()).status, 431);
    assert_eq!(server.connect().request(b"what?\r\n\r\n").status, 400);
    assert_healthy(&server);
}

#[test]
fn bodies_over_the_limit_are_refused_with_and_without_content_length() {
    let server = Server::limited(Limits { body_bytes: 200_000, ..Limits::default() });
    let long = recording(9);
    server.post("/v1/predict", "audio/wav", &long).assert_problem(413, "body_too_large", &["864044", "at most 200000"]);
    let chunks: Vec<u8> =
        long.chunks(50_000).flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat()).collect();
    let head = b"POST /v1/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let refused = server.connect().request(&[head, chunks.as_slice(), b"0\r\n\r\n"].concat());
    refused.assert_problem(413, "body_too_large", &["at most 200000"]);
    assert_healthy(&server);
}

/// Hours in a few kilobytes: MPEG frames of silence, and FLAC frames of 65,535 equal samples.
#[test]
fn decompression_bombs_are_refused_by_their_decoded_length() {
    let server = Server::limited(Limits { audio_seconds: 300.0, ..Limits::default() });
    let mut frame = [0; 144];
    frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x48, 0xC0]);
    let refused = server.post("/v1/predict", "audio/mpeg", &frame.repeat(20_000));
    refused.assert_problem(413, "over_limit", &["duration in seconds is 301, at most 300"]);
    let bomb = flac_of_silence(4400);
    assert!(bomb.len() < 80_000, "ten hours in {} bytes", bomb.len());
    server.post("/v1/predict", "audio/flac", &bomb).assert_problem(413, "over_limit", &["duration in seconds"]);
    let narrow = Server::limited(Limits { decoded_samples: 1_000_000, ..Limits::default() });
    narrow.post("/v1/predict", "audio/flac", &bomb).assert_problem(
        413,
        "over_limit",
        &["number of samples", "at most 1000000"],
    );
    assert_healthy(&server);
}

#[test]
fn a_broken_upload_frees_its_place() {
    let server = server();
    let mut connection = server.connect();
    connection.send(&incomplete(&recording(2)[..100_000], 192_044));
    server.wait_for("persona_in_flight", 1.0);
    connection.finish();
    if let Some(response) = connection.try_response() {
        response.assert_problem(400, "upload_broken", &["broke off"]);
    }
    assert_healthy(&server);
}

#[test]
fn a_client_that_disconnects_frees_its_place_at_once() {
    let server = Server::limited(Limits { workers: 1, ..Limits::default() });
    let mut connection = server.connect();
    connection.send_in_background(posted("/v1/predict", "audio/wav", &recording(400)));
    server.wait_for("persona_in_flight", 1.0);
    connection.disconnect();
    server.wait_for("persona_in_flight", 0.0);
    // It may have disconnected before or after the end of its upload.
    let ends = ["persona_clients_gone_total", "persona_refusals_total{reason=\"upload_broken\"}"];
    assert_eq!(ends.iter().filter_map(|end| server.metric(end)).sum::<f64>(), 1.0);
    assert_eq!(server.metric("persona_audio_seconds_total"), Some(0.0));
    assert_healthy(&server);
}

#[test]
fn slow_clients_are_refused() {
    let short = Duration::from_millis(300);
    let server = Server::limited(Limits { patience: short, header_time: short, ..Limits::default() });
    let response = server.connect().request(&incomplete(b"RIFF", 1000));
    response.assert_problem(408, "too_slow", &["after 4 bytes nothing came"]);
    for first in [&b""[..], b"POST /v1/pre", b"GET / HTTP/1.1\r\nhost: test\r\n"] {
        let mut connection = server.connect();
        connection.send(first);
        let response = connection.try_response();
        assert!(response.as_ref().is_none_or(|response| response.status == 408), "{response:?}");
    }
    assert_healthy(&server);
}

#[test]
fn requests_time_out() {
    let server = Server::limited(Limits { request_time: Duration::from_millis(500), ..Limits::default() });
    let response = server.connect().request(&incomplete(&recording(1)[..50_000], 96_044));
    response.assert_problem(503, "time", &["0.5 s"]);
    server.wait_for("persona_in_flight", 0.0);
}

#[test]
fn a_full_queue_answers_429_and_recovers() {
    let server = Server::limited(Limits { workers: 1, queue: 1, ..Limits::default() });
    let body = recording(1);
    let mut waiting: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.send(&incomplete(&body[..90_000], body.len()));
    }
    server.wait_for("persona_in_flight", 2.0);
    for _ in 0..20 {
        let refused = server.post("/v1/predict", "audio/wav", &body);
        refused.assert_problem(429, "queue_full", &["2 requests"]);
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    for mut connection in waiting {
        connection.send(&body[90_000..]);
        assert_eq!(connection.response().status, 200);
    }
    assert_eq!(server.metric("persona_refusals_total{reason=\"queue_full\"}"), Some(20.0));
    assert_healthy(&server);
}

#[test]
fn connections_over_the_limit_get_503() {
    let server = Server::limited(Limits { connections: 2, ..Limits::default() });
    let (mut first, mut second) = (server.connect(), server.connect());
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.request(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").status, 200);
    }
    server.connect().response().assert_problem(503, "connections", &["2 connections"]);
    drop((first, second));
}

/// In order of arrival, the one worker would process the clip after the recording of twenty
/// minutes.
#[test]
fn a_clip_does_not_wait_for_a_long_recording() {
    let server = Server::limited(Limits { workers: 1, ..Limits::default() });
    let mut connection = server.connect();
    connection.send_in_background(posted("/v1/predict", "audio/wav", &recording(400)));
    server.wait_for("persona_in_flight", 1.0);
    for _ in 0..3 {
        assert_eq!(server.post("/v1/predict", "audio/wav", &recording(1)).status, 200);
    }
    // The last clip's place may be freed a moment after its response; the long recording still
    // runs.
    server.wait_for("persona_in_flight", 1.0);
    connection.disconnect();
    assert_healthy(&server);
}

#[test]
fn a_stopping_server_finishes_running_requests_and_accepts_no_more() {
    let mut server = server();
    let body = recording(1);
    let (mut running, mut idle) = (server.connect(), server.connect());
    running.send(&incomplete(&body[..90_000], body.len()));
    server.wait_for("persona_in_flight", 1.0);
    assert_eq!(idle.request(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").status, 200);
    server.stop();
    assert!(idle.try_response().is_none(), "an idle connection must be closed");
    running.send(&body[90_000..]);
    let response = running.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(running.try_response().is_none());
    assert!(std::net::TcpStream::connect(server.address).is_err(), "the port must be closed");
}

/// Frames of 65,535 zeros each, 8 kHz, mono, 16 bit (RFC 9639 §9: fixed block size, constant
/// subframes).
fn flac_of_silence(frames: u32) -> Vec<u8> {
    let mut bytes = b"fLaC\x80\0\0\x22\xFF\xFF\xFF\xFF\0\0\0\0\0\0".to_vec();
    // 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples (unknown); no MD5 checksum.
    bytes.extend((8000_u64 << 44 | 15 << 36).to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..frames {
        let mut frame = vec![0xFF, 0xF8, 0x70, 0x08];
        frame.extend(char::from_u32(number).unwrap().to_string().bytes());
        frame.extend([0xFF, 0xFE]);
        frame.push(crc(&frame, 8, 0x07) as u8);
        frame.extend([0, 0, 0]);
        frame.extend((crc(&frame, 16, 0x8005) as u16).to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let top = 1 << (bits - 1);
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << (bits - 8), |crc, _| {
            let shifted = crc << 1 & (top * 2 - 1);
            if crc & top == 0 { shifted } else { shifted ^ polynomial }
        })
    })
}

#[test]
fn the_bomb_is_a_valid_flac() {
    let path = common::folder("serve_bomb").join("silence.flac");
    std::fs::write(&path, flac_of_silence(3)).unwrap();
    let decoded = common::decoded::Decoded::open(&path).unwrap();
    assert_eq!(decoded.samples.len(), 3 * 65_535);
}

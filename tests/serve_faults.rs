//! Bad input, bad clients and too much of both through the server: a reason for each, every place free again, and the server well after all.
#![cfg(all(feature = "serve", feature = "embedded-weights"))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod common;

use std::time::Duration;

use common::server::{Server, form, posted};
use common::{buzz, pcm16, wav, wav_claiming};
use persona_engine::server::Limits;

fn server() -> Server {
    Server::limited(Limits::default())
}

/// A recording of so many times three seconds of a voice-like sound.
fn recording(times: usize) -> Vec<u8> {
    wav(1, 1, 16_000, 16, &pcm16(&buzz(48_000, 16_000.0)).repeat(times))
}

/// No place is taken any more, and a sound request is answered.
fn is_well(server: &Server) {
    server.wait_for("persona_in_flight", 0.0);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.post("/v1/predict", "audio/wav", &recording(1)).status, 200);
}

/// A request whose body is announced to be longer than what is sent of it.
fn begun(body: &[u8], announced: usize) -> Vec<u8> {
    let head = format!("POST /v1/predict HTTP/1.1\r\nhost: test\r\ncontent-length: {announced}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// File's name, bytes, status, reason, words; the first word is of the file's name.
type Case<'a> = (&'a str, &'a [u8], u16, &'a str, &'a [&'a str]);

#[test]
fn bad_recordings_have_the_words_of_the_command_line() {
    let server = server();
    let good = recording(1);
    let html = b"<!DOCTYPE html><html><body>404</body></html>";
    let claims = wav_claiming(1, 1, 16_000, 16, &[0; 1000], 0xFFFF_FFF0);
    let cases: &[Case<'_>] = &[
        ("page.wav", html, 415, "unsupported", &["page.wav", "looks like text"]),
        ("empty.wav", b"", 422, "malformed", &["empty.wav", "0 bytes"]),
        ("cut.wav", &good[..20_000], 422, "malformed", &["cut.wav", "WAV", "truncated"]),
        ("4-gb.wav", &claims, 422, "malformed", &["4-gb.wav", "WAV"]),
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
        server.post_form(&[("file", Some(name), bytes)]).refuses(*status, reason, words);
        server.post("/v1/predict", "audio/wav", bytes).refuses(*status, reason, &words[1..]);
    }
    is_well(&server);
}

#[test]
fn bad_forms_are_refused_with_reasons() {
    let server = server();
    let good = recording(1);
    let file = ("file", Some("a.wav"), good.as_slice());
    server.post_form(&[]).refuses(400, "no_file", &["`file`"]);
    server.post_form(&[("model", None, b"xvector-cnn")]).refuses(400, "no_file", &["`file`"]);
    server.post_form(&[("fiel", Some("a.wav"), b"sound")]).refuses(400, "bad_option", &["`fiel`"]);
    server.post_form(&[("fiel", Some("a.wav"), &good)]).refuses(400, "bad_option", &["longer than 1024", "`file`"]);
    server.post_form(&[file, file]).refuses(400, "bad_form", &["two parts `file`"]);
    let whole = form(&[file]);
    let kind = "multipart/form-data; boundary=xYz";
    let broken = server.post("/v1/predict", kind, &whole[..whole.len() - 9]);
    broken.refuses(400, "upload_broken", &["last boundary"]);
    server.post("/v1/predict", "multipart/form-data; boundary=other", &whole).refuses(400, "upload_broken", &[]);
    server.post("/v1/predict", "multipart/form-data", &whole).refuses(400, "bad_form", &["names no boundary"]);
    let endless = [b"--xYz\r\nA: ".to_vec(), vec![b'a'; 100_000]].concat();
    server.post("/v1/predict", kind, &endless).refuses(400, "bad_form", &["header has more than"]);
    is_well(&server);
}

#[test]
fn wrong_content_types_are_refused_with_what_is_right() {
    let server = server();
    for kind in ["application/json", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"] {
        server.post("/v1/predict", kind, &recording(1)).refuses(
            415,
            "content_type",
            &["multipart/form-data", "audio/*"],
        );
    }
    is_well(&server);
}

#[test]
fn a_form_of_100_000_parts_is_refused() {
    let server = server();
    let part: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"activity\"\r\n\r\ntrue\r\n";
    let other: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRIFF\r\n";
    let kind = "multipart/form-data; boundary=xYz";
    server.post("/v1/predict", kind, &part.repeat(100_000)).refuses(400, "bad_option", &["`activity` is there twice"]);
    let limited = Server::limited(Limits { form_parts: 1, ..Limits::default() });
    limited.post("/v1/predict", kind, &[part, &other.repeat(100_000)].concat()).refuses(
        413,
        "too_many_parts",
        &["more than 1 parts"],
    );
    is_well(&server);
}

#[test]
fn headers_beyond_the_limit_are_refused() {
    let server = server();
    let asked = |bytes: usize| format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "a".repeat(bytes));
    let refused = server.connect().ask(asked(20_000).as_bytes());
    refused.refuses(431, "header_too_large", &["at most 16384"]);
    assert_eq!(server.connect().ask(asked(1_000_000).as_bytes()).status, 431);
    assert_eq!(server.connect().ask(b"what?\r\n\r\n").status, 400);
    is_well(&server);
}

#[test]
fn bodies_beyond_the_limit_are_refused_announced_or_not() {
    let server = Server::limited(Limits { body_bytes: 200_000, ..Limits::default() });
    let long = recording(9);
    server.post("/v1/predict", "audio/wav", &long).refuses(413, "body_too_large", &["864044", "at most 200000"]);
    let chunks: Vec<u8> =
        long.chunks(50_000).flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat()).collect();
    let head = b"POST /v1/predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let refused = server.connect().ask(&[head, chunks.as_slice(), b"0\r\n\r\n"].concat());
    refused.refuses(413, "body_too_large", &["at most 200000"]);
    is_well(&server);
}

/// Hours in a few kilobytes: frames of MPEG silence, and FLAC frames that say "the same sample 65,535 times".
#[test]
fn bombs_are_refused_by_their_length_once_decoded() {
    let server = Server::limited(Limits { audio_seconds: 300.0, ..Limits::default() });
    let mut frame = [0; 144];
    frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x48, 0xC0]);
    let refused = server.post("/v1/predict", "audio/mpeg", &frame.repeat(20_000));
    refused.refuses(413, "over_limit", &["duration in seconds is 301, at most 300"]);
    let bomb = flac_of_silence(4400);
    assert!(bomb.len() < 80_000, "ten hours in {} bytes", bomb.len());
    server.post("/v1/predict", "audio/flac", &bomb).refuses(413, "over_limit", &["duration in seconds"]);
    let narrow = Server::limited(Limits { decoded_samples: 1_000_000, ..Limits::default() });
    narrow.post("/v1/predict", "audio/flac", &bomb).refuses(
        413,
        "over_limit",
        &["number of samples", "at most 1000000"],
    );
    is_well(&server);
}

#[test]
fn an_upload_that_breaks_off_frees_its_place() {
    let server = server();
    let mut connection = server.connect();
    connection.send(&begun(&recording(2)[..100_000], 192_044));
    server.wait_for("persona_in_flight", 1.0);
    connection.finish();
    if let Some(answer) = connection.try_answer() {
        answer.refuses(400, "upload_broken", &["broke off"]);
    }
    is_well(&server);
}

#[test]
fn a_client_that_goes_away_frees_its_place_before_its_recording_is_answered() {
    let server = Server::limited(Limits { workers: 1, ..Limits::default() });
    let mut connection = server.connect();
    connection.send_meanwhile(posted("/v1/predict", "audio/wav", &recording(400)));
    server.wait_for("persona_in_flight", 1.0);
    connection.hang_up();
    server.wait_for("persona_in_flight", 0.0);
    // Whether it was still sending when it went is chance.
    let ends = ["persona_clients_gone_total", "persona_refusals_total{reason=\"upload_broken\"}"];
    assert_eq!(ends.iter().filter_map(|end| server.metric(end)).sum::<f64>(), 1.0);
    assert_eq!(server.metric("persona_audio_seconds_total"), Some(0.0));
    is_well(&server);
}

#[test]
fn slow_clients_are_cut_off() {
    let hasty = Duration::from_millis(300);
    let server = Server::limited(Limits { patience: hasty, header_time: hasty, ..Limits::default() });
    let answer = server.connect().ask(&begun(b"RIFF", 1000));
    answer.refuses(408, "too_slow", &["after 4 bytes nothing came"]);
    for first in [&b""[..], b"POST /v1/pre", b"GET / HTTP/1.1\r\nhost: test\r\n"] {
        let mut connection = server.connect();
        connection.send(first);
        let answer = connection.try_answer();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 408), "{answer:?}");
    }
    is_well(&server);
}

#[test]
fn a_request_has_its_time() {
    let server = Server::limited(Limits { request_time: Duration::from_millis(500), ..Limits::default() });
    let answer = server.connect().ask(&begun(&recording(1)[..50_000], 96_044));
    answer.refuses(503, "time", &["0.5 s"]);
    server.wait_for("persona_in_flight", 0.0);
}

#[test]
fn past_the_queue_the_answer_is_429_and_it_recovers_at_once() {
    let server = Server::limited(Limits { workers: 1, queue: 1, ..Limits::default() });
    let body = recording(1);
    let mut waiting: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.send(&begun(&body[..90_000], body.len()));
    }
    server.wait_for("persona_in_flight", 2.0);
    for _ in 0..20 {
        let refused = server.post("/v1/predict", "audio/wav", &body);
        refused.refuses(429, "queue_full", &["2 requests"]);
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    for mut connection in waiting {
        connection.send(&body[90_000..]);
        assert_eq!(connection.answer().status, 200);
    }
    assert_eq!(server.metric("persona_refusals_total{reason=\"queue_full\"}"), Some(20.0));
    is_well(&server);
}

#[test]
fn connections_beyond_the_limit_are_told() {
    let server = Server::limited(Limits { connections: 2, ..Limits::default() });
    let (mut first, mut second) = (server.connect(), server.connect());
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.ask(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").status, 200);
    }
    server.connect().answer().refuses(503, "connections", &["2 connections"]);
    drop((first, second));
}

/// One worker: served in order of arrival, the clip would be answered after the recording of twenty minutes.
#[test]
fn a_clip_does_not_wait_for_an_hour() {
    let server = Server::limited(Limits { workers: 1, ..Limits::default() });
    let mut connection = server.connect();
    connection.send_meanwhile(posted("/v1/predict", "audio/wav", &recording(400)));
    server.wait_for("persona_in_flight", 1.0);
    for _ in 0..3 {
        assert_eq!(server.post("/v1/predict", "audio/wav", &recording(1)).status, 200);
    }
    // The last clip's place may be given back a moment after its answer is there; the long one is still at work.
    server.wait_for("persona_in_flight", 1.0);
    connection.hang_up();
    is_well(&server);
}

#[test]
fn what_runs_when_the_server_stops_is_finished_and_what_comes_is_refused() {
    let mut server = server();
    let body = recording(1);
    let (mut running, mut idle) = (server.connect(), server.connect());
    running.send(&begun(&body[..90_000], body.len()));
    server.wait_for("persona_in_flight", 1.0);
    assert_eq!(idle.ask(b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n").status, 200);
    server.stop();
    assert!(idle.try_answer().is_none(), "an idle connection is closed");
    running.send(&body[90_000..]);
    let answer = running.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(running.try_answer().is_none());
    assert!(std::net::TcpStream::connect(server.address).is_err(), "nobody listens any more");
}

/// Frames of 65,535 zeros each, 8 kHz, mono, 16 bit (RFC 9639 §9: fixed block size, constant subframes).
fn flac_of_silence(frames: u32) -> Vec<u8> {
    let mut bytes = b"fLaC\x80\0\0\x22\xFF\xFF\xFF\xFF\0\0\0\0\0\0".to_vec();
    // 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples (unknown); no checksum.
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
fn the_bomb_is_a_sound_flac() {
    let path = common::folder("serve_bomb").join("silence.flac");
    std::fs::write(&path, flac_of_silence(3)).unwrap();
    let decoded = common::decoded::Decoded::open(&path).unwrap();
    assert_eq!(decoded.samples.len(), 3 * 65_535);
}

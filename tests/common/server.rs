//! Server in the test's process, and a client that can send anything.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use persona_engine::server::{Limits, Service, Settings, serve};
use persona_engine::{Catalogue, Engine, LoadOptions, Options};
use serde_json::Value;
use tokio::sync::oneshot;

/// A running server. Dropped, it is stopped and waited for.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Server of `xvector-cnn` with these limits.
    pub(crate) fn limited(limits: Limits) -> Self {
        Self::new(Settings { limits, ..Settings::default() })
    }

    pub(crate) fn new(settings: Settings) -> Self {
        let model = Catalogue::of(&[]).load("xvector-cnn", LoadOptions::default()).unwrap();
        let service = Service::new(vec![Engine::new(model, Options::default()).unwrap()], settings).unwrap();
        let (sender, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let _ = serve(listener, service, async { drop(stopped.await) }).await;
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Stops it without waiting.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// `GET` on a new connection.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.connect().request(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
    }

    /// `POST` of these bytes on a new connection.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Response {
        self.connect().request(&posted(path, content_type, body))
    }

    /// `POST` of a form with one part for each name, file name and bytes.
    pub(crate) fn post_form(&self, parts: &[(&str, Option<&str>, &[u8])]) -> Response {
        self.post("/v1/predict", "multipart/form-data; boundary=xYz", &form(parts))
    }

    /// Value of a series of `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Waits until a series of `/metrics` has this value; the test fails if it never has.
    pub(crate) fn wait_for(&self, series: &str, value: f64) {
        for _ in 0..3000 {
            if self.metric(series) == Some(value) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{series} is {:?}, not {value}", self.metric(series));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
    }
}

/// Bytes of a `POST` request.
pub(crate) fn posted(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Bytes of a form with the boundary `xYz`.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, filename, data) in parts {
        let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        bytes.extend(format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n").bytes());
        bytes.extend([*data, b"\r\n"].concat());
    }
    bytes.extend(b"--xYz--\r\n");
    bytes
}

/// An HTTP response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Asserts the status and reason of a problem, and words of its detail.
    pub(crate) fn assert_problem(&self, status: u16, reason: &str, words: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["reason"]), (&status.into(), &reason.into()), "{problem}");
        for word in words {
            assert!(problem["detail"].as_str().unwrap().contains(word), "`{word}` is not in: {problem}");
        }
    }
}

/// A client's connection.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        Self(stream)
    }

    /// Sends bytes. It is no error if the server closes the connection before it has read all.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends bytes on another thread, as a busy server reads them slowly.
    pub(crate) fn send_in_background(&mut self, bytes: Vec<u8>) {
        let mut stream = self.0.try_clone().unwrap();
        std::thread::spawn(move || drop(stream.write_all(&bytes)));
    }

    /// Closes the connection, even while bytes are being sent.
    pub(crate) fn disconnect(self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Sends a request and returns its response.
    pub(crate) fn request(&mut self, request: &[u8]) -> Response {
        self.send(request);
        self.response()
    }

    /// As [`Connection::request`], or `None` if the server closes the connection before the
    /// response's first byte. The test fails if it is closed within the response.
    pub(crate) fn try_request(&mut self, request: &[u8]) -> Option<Response> {
        self.send(request);
        let mut first = [0];
        if !matches!(self.0.peek(&mut first), Ok(1)) {
            return None;
        }
        Some(self.response())
    }

    /// Closes the sending side.
    pub(crate) fn finish(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Reads the next response.
    pub(crate) fn response(&mut self) -> Response {
        self.try_response().unwrap_or_else(|| panic!("the connection ended without a response"))
    }

    /// Reads the next response, or `None` if the connection ends or times out.
    pub(crate) fn try_response(&mut self) -> Option<Response> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.0.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if status == 100 {
            return self.try_response();
        }
        let named = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(named).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Response { status, headers, body })
    }
}

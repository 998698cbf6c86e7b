//! A server in this process, and a client that writes what no honest client would.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use persona_engine::engine::{Catalogue, Engine, Options};
use persona_engine::server::{Limits, Service, Settings, serve};
use serde_json::Value;
use tokio::sync::oneshot;

/// Stopped, and waited for, when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The fast system alone, with these limits.
    pub(crate) fn limited(limits: Limits) -> Self {
        Self::new(Settings { limits, ..Settings::default() })
    }

    pub(crate) fn new(settings: Settings) -> Self {
        let system = Catalogue::of(&[]).system("xvector-cnn").unwrap();
        let service = Service::new(vec![Engine::new(system, Options::default()).unwrap()], settings).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let _ = serve(listener, service, async { drop(stopped.await) }).await;
            });
        });
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// `GET` on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.connect().ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
    }

    /// The bytes as a body, on a connection of its own.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.connect().ask(&posted(path, content_type, body))
    }

    /// A form with one part for each name, file's name and bytes.
    pub(crate) fn post_form(&self, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
        self.post("/v1/predict", "multipart/form-data; boundary=xYz", &form(parts))
    }

    /// The value of a line of `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Waits until a number of `/metrics` is what it should be; the test fails if it never is.
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

/// A request with a body.
pub(crate) fn posted(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The bytes of a form with the boundary `xYz`.
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

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A refusal: its status, its reason, and words that its detail has.
    pub(crate) fn refuses(&self, status: u16, reason: &str, words: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["reason"]), (&status.into(), &reason.into()), "{problem}");
        for word in words {
            assert!(problem["detail"].as_str().unwrap().contains(word), "`{word}` is not in: {problem}");
        }
    }
}

/// A client's side of a connection.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self(stream)
    }

    /// Sends bytes; a server that closes before it has them all is no failure of the client.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends bytes while the test goes on: a server that is busy does not take them all at once.
    pub(crate) fn send_meanwhile(&mut self, bytes: Vec<u8>) {
        let mut stream = self.0.try_clone().unwrap();
        std::thread::spawn(move || drop(stream.write_all(&bytes)));
    }

    /// Goes away, whatever is still being sent.
    pub(crate) fn hang_up(self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        self.answer()
    }

    /// As [`Connection::ask`], or nothing where the server closes the connection before the answer's first byte. The test fails where it closes
    /// within the answer.
    pub(crate) fn ask_once(&mut self, request: &[u8]) -> Option<Answer> {
        self.send(request);
        let mut first = [0];
        if !matches!(self.0.peek(&mut first), Ok(1)) {
            return None;
        }
        Some(self.answer())
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|| panic!("the connection ended without an answer"))
    }

    /// The next answer, or nothing where the connection ends or stays silent.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
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
            return self.try_answer();
        }
        let named = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(named).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer { status, headers, body })
    }
}

//! What a running proxy is asked, told, and found to have written: its admin address, its access log.

use std::net::TcpStream;

use serde_json::Value;

use super::message::{Broken, Response};
use super::wire::{Stream, Wire};
use super::{PATIENCE, Proxy, wait_until};

/// Puts the access log where [`Proxy::log`] looks for it.
pub const LOG: &str = "\n[log]\naccess = \"{dir}/access.log\"\n";

impl Proxy {
    /// Asks the admin address.
    pub fn admin(&self, target: &str) -> Result<Response, Broken> {
        self.admin_call("GET", target, "")
    }

    /// Tells the admin address something.
    pub fn admin_call(&self, method: &str, target: &str, body: &str) -> Result<Response, Broken> {
        self.admin_call_with(method, target, "Host: localhost\r\n", body)
    }

    /// The same with these lines in the head.
    pub fn admin_call_with(&self, method: &str, target: &str, lines: &str, body: &str) -> Result<Response, Broken> {
        let stream = TcpStream::connect(self.admin_address()).map_err(|e| Broken::from_io(&e))?;
        let stream = Stream::Tcp(stream);
        stream.set_limit(PATIENCE);
        let mut wire = Wire::new(stream);
        let length = body.len();
        let request =
            format!("{method} {target} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        wire.send(request.as_bytes()).map_err(|e| Broken::from_io(&e))?;
        let mut response = Response::default();
        response.read(&mut wire, method).map(|()| response)
    }

    /// Writes another configuration and has it loaded; what the admin address answers.
    pub fn reload(&self, toml: &str) -> Response {
        self.rewrite(toml);
        self.admin_call("POST", "/api/v1/reload", "").unwrap()
    }

    /// Gives an operator's command for a backend of the service `api`; the status of the answer.
    pub fn command(&self, command: &str, backend: &str) -> u16 {
        let target = format!("/api/v1/services/api/backends/{backend}/{command}");
        self.admin_call("POST", &target, "").unwrap().status
    }

    /// All that it says of itself.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.admin("/api/v1/status").unwrap().text()).unwrap()
    }

    /// The page of its metrics.
    pub fn metrics(&self) -> String {
        self.admin("/metrics").unwrap().text()
    }

    /// The value of the first series whose line begins like this; 0 when there is none, for a metric that there is.
    pub fn metric(&self, series: &str) -> u64 {
        let metrics = self.metrics();
        let name = series.split(['{', ' ']).next().unwrap().trim_end_matches("_count");
        assert!(metrics.contains(&format!("# TYPE {name} ")), "no metric has the name {name}");
        let line = metrics.lines().find(|line| line.starts_with(series));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Waits until the metrics have this in them: a client can see the end of something a moment before it is counted.
    pub fn wait_for_metrics(&self, piece: &str) {
        wait_until(piece, || self.metrics().contains(piece));
    }

    /// The lines of the access log that are written by now.
    pub fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
        log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// The only line of the access log, when it is written.
    pub fn logged(&self) -> Value {
        wait_until("a line of the access log is written", || !self.log().is_empty());
        let log = self.log();
        assert_eq!(log.len(), 1, "{log:?}");
        serde_json::from_str(&log[0]).unwrap()
    }
}

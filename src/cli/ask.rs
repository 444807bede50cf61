//! Asking the admin address of a running Evenkeel, for the commands that do so.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{BAD_CONFIGURATION, fail};

/// A reload may wait for names to be looked up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where it is unless something else is said: the default of `admin.bind`.
const DEFAULT: &str = "127.0.0.1:9900";

/// Which one is asked.
#[derive(Debug, Args)]
pub(super) struct Admin {
    /// The admin address [default: admin.bind of the configuration, or http://127.0.0.1:9900]
    #[arg(long = "admin", value_name = "URL")]
    url: Option<String>,
    /// The configuration to take `admin.bind` and `admin.token_file` from
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "proxy.toml")]
    path: PathBuf,
    /// The file with the bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    /// Its body, when it is JSON.
    pub body: Value,
}

impl Admin {
    /// Sends a request without a body.
    ///
    /// # Errors
    ///
    /// When there is no answer; for people.
    pub fn ask(&self, method: &str, target: &str) -> Result<Answer, String> {
        let (address, token) = self.place()?;
        let exchanged = exchange(&address, method, target, token.as_deref());
        let bytes = exchanged.map_err(|error| format!("the admin address {address} can't be asked: {error}"))?;
        parse(&bytes).ok_or_else(|| format!("what answers at {address} is not Evenkeel's admin address"))
    }

    /// The address and the token. The file is not checked: one that is full of mistakes may be what the command is about.
    fn place(&self) -> Result<(String, Option<String>), String> {
        let file = std::fs::read_to_string(&self.path).unwrap_or_default().parse::<toml::Table>().unwrap_or_default();
        let admin = |key: &str| file.get("admin").and_then(|admin| admin.get(key)).and_then(toml::Value::as_str);
        let address = match &self.url {
            None if file.get("admin").is_some_and(|admin| admin.get("tls").is_some()) => return Err(NO_TLS.to_owned()),
            None => reachable(admin("bind").unwrap_or(DEFAULT)),
            Some(url) if url.starts_with("https:") => return Err(NO_TLS.to_owned()),
            Some(url) => url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_owned(),
        };
        let folder = self.path.parent().unwrap_or(Path::new(""));
        // the file's token is for the file's address
        let named = self.token_file.clone().or_else(|| match self.url {
            Some(_) => None,
            None => admin("token_file").map(|name| folder.join(name)),
        });
        let token = named.map(|path| {
            std::fs::read_to_string(&path)
                .map_err(|error| format!("the token in {} can't be read: {error}", path.display()))
        });
        Ok((address, token.transpose()?.map(|token| token.trim().to_owned())))
    }
}

const NO_TLS: &str = "this command does not speak TLS: ask the admin address with curl";

/// Where an address that is bound can be reached from here.
fn reachable(bind: &str) -> String {
    match bind.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => match address {
            SocketAddr::V4(_) => format!("127.0.0.1:{}", address.port()),
            SocketAddr::V6(_) => format!("[::1]:{}", address.port()),
        },
        _ => bind.to_owned(),
    }
}

fn exchange(address: &str, method: &str, target: &str, token: Option<&str>) -> io::Result<Vec<u8>> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return on(stream, &address.to_string(), method, target, token),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn on(mut stream: TcpStream, host: &str, method: &str, target: &str, token: Option<&str>) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n");
    if let Some(token) = token {
        // writing to a String can't fail
        let _ = write!(request, "Authorization: Bearer {token}\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer that ends with its connection.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default() })
}

impl Answer {
    /// The body of a success; what went wrong is shown, and is the exit code.
    ///
    /// # Errors
    ///
    /// The exit code for what was answered instead.
    pub fn success(self) -> Result<Value, ExitCode> {
        if self.status == 200 {
            return Ok(self.body);
        }
        let detail = self.body.get("detail").and_then(Value::as_str).unwrap_or("the answer says no more");
        let failed = fail(&format!("{} ({})", detail.trim_end(), self.status));
        Err(if self.status == 422 { ExitCode::from(BAD_CONFIGURATION) } else { failed })
    }
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() {
        let answer =
            parse(b"HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 14\r\n\r\n{\"detail\": \"x\"}").unwrap();
        assert_eq!((answer.status, answer.body["detail"].as_str()), (422, Some("x")));
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }

    #[test]
    fn names_become_one_segment_whatever_is_in_them() {
        assert_eq!(segment("10.0.0.1:80"), "10.0.0.1:80");
        assert_eq!(segment("unix:/a b?"), "unix:%2Fa%20b%3F");
    }

    #[test]
    fn an_address_for_all_interfaces_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(reachable("[::]:1"), "[::1]:1");
        assert_eq!(reachable("10.0.0.1:9900"), "10.0.0.1:9900");
    }
}

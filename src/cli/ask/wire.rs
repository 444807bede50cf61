//! One exchange with the admin address, over TCP or over TLS.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use rustls::{AlertDescription, ClientConnection, InvalidMessage, StreamOwned};

use super::{AdminClient, AdminRequest, Answer, parse};
use crate::cli::note;

/// How long the handshake of TLS may take. Somebody who speaks no TLS may take its first message for the beginning of something, and wait for the
/// rest.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// When there is nothing of an answer after this time, whoever waits for it is told.
const QUIET: Duration = Duration::from_secs(3);

/// An alert of TLS begins with these bytes (RFC 8446, section 5.1): it is what a server says to a request in clear.
const ALERT: [u8; 2] = [21, 3];

impl AdminClient {
    /// Sends the request once. Each step may take `patience`.
    ///
    /// # Errors
    ///
    /// A sentence for people, when there is no answer.
    pub(super) fn ask(&self, request: &AdminRequest<'_>, patience: Duration) -> Result<Answer, String> {
        let address = &self.address;
        let bytes = self.exchange(request, patience).map_err(|error| {
            format!("the admin address {address} can't be asked: {}{}", why(&error), self.hint(&error))
        })?;
        parse(&bytes).ok_or_else(|| self.strange(&bytes))
    }

    fn exchange(&self, request: &AdminRequest<'_>, patience: Duration) -> io::Result<Vec<u8>> {
        let mut stream = self.connect(patience)?;
        let control = stream.try_clone()?;
        let patient = Patient { control: &control, patience, address: request.is_told.then_some(&*self.address) };
        let Some((config, name)) = &self.tls else { return patient.on(stream, &self.head(request), request.body) };
        let mut tls = ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
        let handshake = HANDSHAKE.min(patience);
        control.set_read_timeout(Some(handshake))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).map_err(|error| match is_late(&error) {
                true => late(&format!("no TLS handshake within {} s{}", handshake.as_secs_f64(), self.try_http())),
                false => error,
            })?;
        }
        patient.on(StreamOwned::new(tls, stream), &self.head(request), request.body)
    }

    fn connect(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(patience))?;
                    return Ok(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn head(&self, request: &AdminRequest<'_>) -> String {
        let (host, AdminRequest { method, target, body, .. }) = (&self.address, request);
        let length = body.len();
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
        if let Some(token) = &self.token {
            // writing to a String can't fail
            let _ = write!(head, "Authorization: Bearer {token}\r\n");
        }
        head.push_str("\r\n");
        head
    }

    fn try_http(&self) -> String {
        format!("\nif it speaks HTTP without TLS, say --admin http://{}", self.address)
    }

    /// What the user can do about an error.
    fn hint(&self, error: &io::Error) -> String {
        match (error.get_ref().and_then(|inner| inner.downcast_ref()), &self.known_by) {
            (Some(rustls::Error::InvalidCertificate(_)), Some(file)) => format!(
                "\nits certificate is not the one in {}: a new one takes a restart, and --ca trusts another authority",
                file.display()
            ),
            (Some(rustls::Error::InvalidCertificate(_)), None) => "\n--ca trusts another authority".to_owned(),
            (Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)), _) => {
                "\n--cert and --key show one".to_owned()
            }
            (Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), _) => self.try_http(),
            _ => String::new(),
        }
    }

    /// What is wrong where something else than an answer has come.
    fn strange(&self, bytes: &[u8]) -> String {
        let address = &self.address;
        if self.tls.is_none() && bytes.starts_with(&ALERT) {
            return format!("what answers at {address} speaks TLS: say --admin https://{address}");
        }
        let closed = if bytes.is_empty() { ": it has closed the connection without a word" } else { "" };
        format!("what answers at {address} is not Evenkeel's admin address{closed}")
    }
}

/// How long an answer is waited for.
struct Patient<'a> {
    /// The connection that it comes by.
    control: &'a TcpStream,
    patience: Duration,
    /// Where it is to come from, in words, for somebody who waits; `None` = nobody is told.
    address: Option<&'a str>,
}

impl Patient<'_> {
    /// Sends a request, and reads to the end of the connection.
    fn on(&self, mut stream: impl Read + Write, head: &str, body: &str) -> io::Result<Vec<u8>> {
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        stream.flush()?;
        let mut answer = Vec::new();
        if let Some(address) = self.address.filter(|_| self.patience > QUIET) {
            self.control.set_read_timeout(Some(QUIET))?;
            match stream.read_to_end(&mut answer) {
                Err(error) if is_late(&error) => {
                    note(&format!("no answer from {address} so far: is that Evenkeel's admin address? (waits on)"));
                }
                ended => return ended.map(|_| answer),
            }
        }
        self.control.set_read_timeout(Some(self.patience))?;
        match stream.read_to_end(&mut answer) {
            // what the system says of a time-out is that the resource is temporarily unavailable
            Err(error) if is_late(&error) => Err(late(&format!("no answer within {} s", self.patience.as_secs_f64()))),
            ended => ended.map(|_| answer),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn late(what: &str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, what)
}

/// An error in words.
fn why(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "what answers there is not TLS".to_owned()
        }
        _ => error.to_string(),
    }
}

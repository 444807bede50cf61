//! HTTP/1.1 messages, read by the letter of RFC 9112.

use std::fmt;
use std::io;

use super::wire::Wire;

/// Why a message could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The stream ended in order, before the message did.
    Closed,
    /// The stream was reset, or ended without TLS's close_notify.
    Reset,
    /// Nothing came in time.
    TimedOut,
    /// What came is not HTTP/1.1.
    Malformed(String),
}

impl Broken {
    pub fn from_io(e: &io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::InvalidData => Self::Malformed(e.to_string()),
            _ => Self::Reset,
        }
    }
}

/// A start line with fields.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub start: String,
    /// In the order they came; names as they were spelled.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The only value of a field, if it is there. Two of them are an error.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times in {self:?}", all.len());
        all.first().copied()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether a list field names this member.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.all(name).iter().flat_map(|v| v.split(',')).any(|m| m.trim().eq_ignore_ascii_case(member))
    }

    fn read(wire: &mut Wire) -> Result<Self, Broken> {
        let start = text(wire.line()?)?;
        Ok(Self { start, fields: fields(wire)? })
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        self.fields.iter().try_for_each(|(n, v)| writeln!(f, "{n}: {v}"))
    }
}

/// A request as a backend got it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// How its body was framed.
    pub chunked: bool,
}

impl Request {
    /// The first word of the request line.
    pub fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    /// The second word of the request line.
    pub fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The only value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub(super) fn read_head(wire: &mut Wire) -> Result<Self, Broken> {
        let head = Head::read(wire)?;
        let words: Vec<_> = head.start.split(' ').collect();
        if words.len() != 3 || !matches!(words[2], "HTTP/1.1" | "HTTP/1.0") {
            return Err(Broken::Malformed(format!("request line {:?}", head.start)));
        }
        Ok(Self { head, ..Self::default() })
    }

    pub(super) fn read_body(&mut self, wire: &mut Wire) -> Result<(), Broken> {
        let chunked = framed_by_chunks(&self.head)?;
        self.chunked = chunked;
        if chunked {
            chunks(wire, &mut self.body, &mut self.trailers)
        } else {
            wire.exactly(length(&self.head)?.unwrap_or(0), &mut self.body)
        }
    }
}

/// An answer as a client got it.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// The statuses of the 1xx answers before it.
    pub interim: Vec<u16>,
    /// How its body was framed.
    pub chunked: bool,
}

impl Response {
    /// The only value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads an answer to `method`. What was there before it broke stays in `self`.
    pub(super) fn read(&mut self, wire: &mut Wire, method: &str) -> Result<(), Broken> {
        self.read_head(wire)?;
        let head = &self.head;
        let chunked = framed_by_chunks(head)?;
        let length = length(head)?;
        if matches!(self.status, 204 | 101) && (chunked || length.is_some()) {
            return Err(Broken::Malformed(format!("{} with a framed body", self.status)));
        }
        if method == "HEAD" || matches!(self.status, 101 | 204 | 304) {
            return Ok(());
        }
        self.chunked = chunked;
        match (chunked, length) {
            (true, _) => chunks(wire, &mut self.body, &mut self.trailers),
            (false, Some(n)) => wire.exactly(n, &mut self.body),
            (false, None) => wire.read_to_end(&mut self.body),
        }
    }

    /// Reads the head of the final answer and the statuses of the interim ones before it.
    pub(super) fn read_head(&mut self, wire: &mut Wire) -> Result<(), Broken> {
        loop {
            self.head = Head::read(wire)?;
            self.status = status_of(&self.head.start)?;
            if self.status == 101 || self.status >= 200 {
                return Ok(());
            }
            self.interim.push(self.status);
        }
    }
}

fn status_of(line: &str) -> Result<u16, Broken> {
    let broken = || Broken::Malformed(format!("status line {line:?}"));
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or_else(broken)?;
    let (code, _reason) = rest.split_once(' ').ok_or_else(broken)?;
    code.parse().ok().filter(|code| (100..600).contains(code)).ok_or_else(broken)
}

fn text(line: Vec<u8>) -> Result<String, Broken> {
    String::from_utf8(line).map_err(|e| Broken::Malformed(e.to_string()))
}

fn fields(wire: &mut Wire) -> Result<Vec<(String, String)>, Broken> {
    let mut fields = Vec::new();
    loop {
        let line = text(wire.line()?)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Broken::Malformed(format!("field line {line:?}")));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn framed_by_chunks(head: &Head) -> Result<bool, Broken> {
    match head.all("transfer-encoding").as_slice() {
        [] => Ok(false),
        ["chunked"] if head.all("content-length").is_empty() => Ok(true),
        _ => Err(Broken::Malformed(format!("framing of {head:?}"))),
    }
}

fn length(head: &Head) -> Result<Option<usize>, Broken> {
    match head.all("content-length").as_slice() {
        [] => Ok(None),
        [n] if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
            n.parse().map(Some).map_err(|_| Broken::Malformed(format!("Content-Length {n}")))
        }
        _ => Err(Broken::Malformed(format!("framing of {head:?}"))),
    }
}

fn chunks(wire: &mut Wire, body: &mut Vec<u8>, trailers: &mut Vec<(String, String)>) -> Result<(), Broken> {
    loop {
        let line = text(wire.line()?)?;
        let size = line.split(';').next().unwrap_or_default();
        let digits = !size.is_empty() && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| digits);
        let size = size.ok_or_else(|| Broken::Malformed(format!("chunk size {line:?}")))?;
        if size == 0 {
            *trailers = fields(wire)?;
            return Ok(());
        }
        wire.exactly(size, body)?;
        if !wire.line()?.is_empty() {
            return Err(Broken::Malformed("a chunk longer than it said".to_owned()));
        }
    }
}

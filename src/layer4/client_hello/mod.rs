//! Reads a TLS ClientHello without taking part in the handshake, so that a connection can be routed by its server name (SNI) and
//! passed on unchanged.
//!
//! The caller keeps all bytes that the client has sent in one buffer, and passes it to [`read`]. No state is kept between calls.
//! [`Progress::Need`] tells how many bytes are needed before another call is of use; an earlier call also gives the right answer,
//! but walks the records again. A caller that follows this makes some sixty calls at most, even when a hello as large as
//! [`MAX_LENGTH`] comes in records with one byte each and byte by byte: from one call to the next the missing part shrinks by at
//! least a sixth.
//!
//! Each layer has a file: `records.rs` collects the handshake message (RFC 8446, section 5.1), `message.rs` parses it (RFC 8446,
//! section 4.1.2; the layout has not changed since SSL 3.0), `server_name.rs` parses its name (RFC 6066, section 3).
//!
//! Refused is what no client may send and what two programs could read differently: lengths that contradict each other, a second
//! list of names, two names in one list, a name that is not a DNS name. Versions, cipher suites and all extensions but two
//! concern only the backend and are skipped, whatever they contain, and so are GREASE (RFC 8701) and Encrypted ClientHello (RFC
//! 9849), of which only the outer name can be seen.

mod message;
mod part;
mod records;
mod server_name;
#[cfg(test)]
mod tests;

use part::Stop;

/// The most bytes of a hello, the headers of its records included. With post-quantum key shares and Encrypted ClientHello a hello
/// has about 2,000 bytes; other TLS implementations have limits of 64 KiB and 128 KiB.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The parts of a ClientHello by which a connection is routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The server name, in lower case and without a final dot. `None` when there is none, and when it is an IP address, which RFC
    /// 6066 does not allow but some clients send.
    pub server_name: Option<Box<str>>,
    /// The protocols that the client offers by ALPN.
    pub alpn: Protocols,
}

/// The protocols of the ALPN extension (RFC 7301), in the client's order, GREASE values included. They are kept in their encoded
/// form, because a list of one-byte names would become a far larger `Vec`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protocols {
    /// The names, each after a byte with its length.
    list: Box<[u8]>,
}

/// What can be said about the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed. The number is the total that is needed at least, which is more than there are and not more than
    /// [`MAX_LENGTH`].
    Need(usize),
    /// The hello is complete. More bytes may follow it in the buffer.
    Hello(ClientHello),
    /// This will not become a hello that we route. The text says why, for the log.
    NotTls(&'static str),
}

/// Parses all bytes that a client has sent so far.
pub fn read(bytes: &[u8]) -> Progress {
    let gathered = match records::gather(bytes) {
        Ok(gathered) => gathered,
        Err(reason) => return Progress::NotTls(reason),
    };
    match (message::parse(&gathered.message), gathered.need) {
        (Err(Stop::Refused(reason)), _) => Progress::NotTls(reason),
        (_, Some(need)) => Progress::Need(need),
        (Ok(hello), None) => Progress::Hello(hello),
        // can't happen: the lengths in a complete message were checked against the bytes that are there
        (Err(Stop::Short), None) => Progress::NotTls(part::LENGTH_TOO_LARGE),
    }
}

impl Protocols {
    /// The names of the protocols.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.list;
        std::iter::from_fn(move || {
            let (&length, names) = rest.split_first()?;
            let (name, more) = names.split_at_checked(usize::from(length))?;
            rest = more;
            Some(name)
        })
    }

    /// Whether the client offers no protocol.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

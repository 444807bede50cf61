//! Reads a TLS ClientHello without taking part in the handshake, so that a connection can be routed by the name that it asks
//! for (SNI) and passed on as it is.
//!
//! The caller keeps what the client has sent in one buffer, unchanged, and asks [`read`] what is in it. Nothing is kept from
//! one call to the next. [`Progress::Need`] tells when it is worth to ask again: asking earlier gives the right answer too,
//! but walks the records again. A caller that obeys asks at most some sixty times, even when each record of a hello as
//! large as [`MAX_LENGTH`] has one byte of it and each byte comes alone: what is still missing shrinks by a sixth at
//! least from one call to the next.
//!
//! The layers are the files: `records.rs` puts the handshake message together (RFC 8446, section 5.1), `message.rs` reads it
//! (RFC 8446, section 4.1.2; the same layout since SSL 3.0), `server_name.rs` its name (RFC 6066, section 3).
//!
//! What is refused is what no client may send and what could be read in two ways: lengths that do not fit into each other, a
//! second list of names, two names in one list, a name that is not a DNS name. Versions, cipher suites and all
//! extensions but two are the backend's business: they are passed over, whatever is in them, and so are GREASE (RFC 8701) and
//! Encrypted ClientHello (RFC 9849), of which only the outer name can be seen.

mod message;
mod part;
mod records;
mod server_name;
#[cfg(test)]
mod tests;

use part::Stop;

/// The most bytes that a hello may take, its records' headers included. With post-quantum key shares and Encrypted ClientHello
/// a hello has some 2,000 bytes; other TLS stacks stop at 64 KiB and at 128 KiB.
pub const MAX_LENGTH: usize = 64 * 1024;

/// What a client says before anything is encrypted, as far as it decides where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that it asks for, in lower case and without a dot at its end. `None` when there is none, and when it is an IP
    /// address, which RFC 6066 does not allow there and some clients send all the same.
    pub server_name: Option<Box<str>>,
    /// The protocols that it offers.
    pub alpn: Protocols,
}

/// The protocols of the ALPN extension (RFC 7301), in the client's order, GREASE ones included. They stay in the form in
/// which they came: a list of one-byte names would make a far larger `Vec`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protocols {
    /// Each with a byte before it that tells its length.
    list: Box<[u8]>,
}

/// What is known from the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More is needed: at least so many bytes in all, which is more than there are and not more than [`MAX_LENGTH`].
    Need(usize),
    /// The hello is complete. More may follow it in the buffer.
    Hello(ClientHello),
    /// This never becomes a hello that we route; the reason, for the log.
    NotTls(&'static str),
}

/// Reads all that a client has sent so far.
pub fn read(bytes: &[u8]) -> Progress {
    let gathered = match records::gather(bytes) {
        Ok(gathered) => gathered,
        Err(reason) => return Progress::NotTls(reason),
    };
    match (message::parse(&gathered.message), gathered.need) {
        (Err(Stop::Refused(reason)), _) => Progress::NotTls(reason),
        (_, Some(need)) => Progress::Need(need),
        (Ok(hello), None) => Progress::Hello(hello),
        // a whole message has no byte too few: its lengths were measured against its own
        (Err(Stop::Short), None) => Progress::NotTls(part::LYING_LENGTH),
    }
}

impl Protocols {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.list;
        std::iter::from_fn(move || {
            let (&length, names) = rest.split_first()?;
            let (name, more) = names.split_at_checked(usize::from(length))?;
            rest = more;
            Some(name)
        })
    }

    /// Whether the client offers none at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

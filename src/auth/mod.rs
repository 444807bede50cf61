//! Who may come in: by address, and by what a client shows.
//!
//! [`AccessList`] judges addresses, [`TrustedProxies`] says who speaks for others. [`Auth`] is what a route asks for: there is one kind of it for each way in which a client can say who it is. A further kind is
//! a further variant of [`Auth`], whose key in the configuration is read in `config/check/auth.rs`, and whose requests are judged in
//! `forward/http/authorize.rs`. What is read from files is read again when they change: a kind with files implements [`Watched`].
//!
//! Everything here is made by the control plane. Workers read it: what may change of it is behind one `ArcSwap`.

pub mod access_list;
pub mod basic;
pub mod client_certificate;
mod file;
pub mod forward;
pub mod jwt;
mod ranges;
mod remembered;
pub mod trusted_proxies;

use std::path::Path;

pub use access_list::{AccessList, Networks};
pub use basic::Basic;
pub use client_certificate::CertificateRule;
pub use file::FileProblem;
pub use forward::Forward;
pub use jwt::Jwt;
pub use remembered::Remembered;
pub use trusted_proxies::TrustedProxies;

/// What a route asks of a client.
#[derive(Debug)]
pub enum Auth {
    /// A certificate for one of these names (TLS).
    ClientCertificate(CertificateRule),
    /// A user and a password (RFC 7617).
    Basic(Basic),
    /// A signed token (RFC 7519).
    Jwt(Jwt),
    /// The consent of another service.
    Forward(Forward),
}

/// What was read from files.
pub trait Watched {
    /// The files.
    fn files(&self) -> Vec<&Path>;

    /// Reads the files again, and returns how many entries they have. What was read before stays in force when something is wrong.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    fn reload(&self) -> Result<usize, FileProblem>;
}

impl Watched for AccessList {
    fn files(&self) -> Vec<&Path> {
        Self::files(self).collect()
    }

    fn reload(&self) -> Result<usize, FileProblem> {
        Self::reload(self)
    }
}

impl Watched for TrustedProxies {
    fn files(&self) -> Vec<&Path> {
        Self::files(self)
    }

    fn reload(&self) -> Result<usize, FileProblem> {
        Self::reload(self)
    }
}

impl Watched for Auth {
    fn files(&self) -> Vec<&Path> {
        match self {
            Self::ClientCertificate(_) | Self::Forward(_) => Vec::new(),
            Self::Basic(basic) => vec![basic.file()],
            Self::Jwt(jwt) => jwt.keys.file().into_iter().collect(),
        }
    }

    fn reload(&self) -> Result<usize, FileProblem> {
        match self {
            Self::ClientCertificate(_) | Self::Forward(_) => Ok(0),
            Self::Basic(basic) => basic.reload(),
            Self::Jwt(jwt) => jwt.keys.reload(),
        }
    }
}

//! Reads certificates, keys and authorities from PEM files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use xxhash_rust::xxh3::xxh3_64;

use super::Certificate;
use super::files::PairFiles;
use super::unusable::{Part, Unusable};

/// The largest file that is read, in bytes. The system's bundle of all authorities has 220 KiB.
const LARGEST: u64 = 4 << 20;

/// What files hold, and a hash by which one content is told from another.
#[derive(Debug)]
pub struct Reading<T> {
    /// The hash of all bytes that were read; of what can't be read, 0.
    pub content: u64,
    /// What was made of them.
    pub result: Result<T, Unusable>,
}

/// Reads a certificate with its key, which has to fit it.
pub fn pair(files: &PairFiles) -> Reading<Certificate> {
    let (cert, key) = (bytes(Part::Cert, &files.cert), bytes(Part::Key, &files.key));
    let hash = |bytes: &Result<Vec<u8>, Unusable>| bytes.as_ref().map_or(0, |bytes| xxh3_64(bytes));
    let content = hash(&cert).rotate_left(1) ^ hash(&key);
    let read = || {
        let chain = chain_in(&cert?, Part::Cert, &files.cert)?;
        let key = key_in(&key?, &files.key)?;
        Certificate::new(chain, key, files.clone())
    };
    Reading { content, result: read() }
}

/// Reads a chain of certificates: at least one.
///
/// # Errors
///
/// Why it can't be used.
pub fn chain(part: Part, path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    chain_in(&bytes(part, path)?, part, path)
}

/// Reads a private key.
///
/// # Errors
///
/// Why it can't be used.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    key_in(&bytes(Part::Key, path)?, path)
}

/// Reads certificates of authorities, each of which has to be fit to verify others against.
pub fn authorities(path: &Path) -> Reading<Vec<CertificateDer<'static>>> {
    let part = Part::Authorities;
    let read = bytes(part, path);
    let content = read.as_ref().map_or(0, |bytes| xxh3_64(bytes));
    let result = read.and_then(|bytes| chain_in(&bytes, part, path)).and_then(|certificates| {
        match certificates.iter().find_map(|certificate| webpki::anchor_from_trusted_cert(certificate).err()) {
            None => Ok(certificates),
            Some(error) => {
                let message = format!("`{}` has a certificate that can't be used: {error}", path.display());
                Err(Unusable::new(part, path, message).expected("certificates of authorities (X.509 version 3)"))
            }
        }
    });
    Reading { content, result }
}

/// What a file holds.
///
/// # Errors
///
/// It can't be read, is no file (a pipe could keep us waiting for ever), or is too large.
pub fn bytes(part: Part, path: &Path) -> Result<Vec<u8>, Unusable> {
    let load = || {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LARGEST {
            true => Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20))),
            false => Ok(bytes),
        }
    };
    load().map_err(|error| {
        let message = format!("`{}` can't be read: {error}", path.display());
        Unusable::new(part, path, message).expected("a file that can be read")
    })
}

fn chain_in(bytes: &[u8], part: Part, path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(bad_pem(part, path, &pem::Error::NoItemsFound, ("CERTIFICATE", bytes))),
        Err(error) => Err(bad_pem(part, path, &error, ("CERTIFICATE", bytes))),
    }
}

fn key_in(bytes: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| bad_pem(Part::Key, path, &error, ("PRIVATE KEY", bytes)))
}

/// `section` is what was looked for, and `bytes` what the file holds.
fn bad_pem(part: Part, path: &Path, error: &pem::Error, (section, bytes): (&str, &[u8])) -> Unusable {
    let shown = path.display();
    let message = match error {
        pem::Error::NoItemsFound => format!("`{shown}` has no {section}"),
        error => format!("`{shown}` can't be read: {error:?}"),
    };
    let unusable =
        Unusable::new(part, path, message).expected(format!("a PEM file with \"-----BEGIN {section}-----\""));
    match error {
        pem::Error::NoItemsFound => match instead(bytes, section) {
            Some(help) => unusable.help(help),
            None => unusable,
        },
        _ => unusable,
    }
}

/// What a file holds in the place of what was looked for.
fn instead(bytes: &[u8], section: &str) -> Option<&'static str> {
    let has = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    let wants_key = section == "PRIVATE KEY";
    if wants_key && has("ENCRYPTED") {
        return Some(
            "a key that is encrypted can't be used: `openssl pkey -in FILE -out FILE` takes the encryption off",
        );
    }
    if wants_key && has("-----BEGIN CERTIFICATE-----") {
        return Some("the file holds a certificate: are `cert` and `key` exchanged?");
    }
    if !wants_key && has("PRIVATE KEY-----") {
        return Some("the file holds a private key: are `cert` and `key` exchanged?");
    }
    if !wants_key && has("-----BEGIN CERTIFICATE REQUEST-----") {
        return Some("the file holds a request: the certificate is what the authority has made of it");
    }
    // a sequence of ASN.1, whose length takes two bytes
    let is_der = bytes.starts_with(&[0x30, 0x82]);
    is_der.then_some("the file is DER: `openssl x509 -inform der` or `openssl pkey -inform der` writes it as PEM")
}

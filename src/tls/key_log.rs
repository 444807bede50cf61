//! The secrets of connections in a file, for debugging, in the format that Wireshark reads (SSLKEYLOGFILE,
//! draft-ietf-tls-keylogfile).
//!
//! Each handshake writes two to four lines, on its worker, and waits for the disk: this is for looking for a defect, and for nothing else.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls::KeyLog;

/// A file that secrets are appended to.
pub(super) struct KeyLogFile {
    /// Where it is.
    pub(super) path: PathBuf,
    file: File,
}

impl KeyLogFile {
    /// Opens it, and makes it one that only its owner may read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::with_capacity(label.len() + 2 * (client_random.len() + secret.len()) + 3);
        let hex = |line: &mut String, bytes: &[u8]| bytes.iter().for_each(|byte| _ = write!(line, "{byte:02x}"));
        line.push_str(label);
        line.push(' ');
        hex(&mut line, client_random);
        line.push(' ');
        hex(&mut line, secret);
        line.push('\n');
        // one write of a whole line to a file that is appended to: lines of several workers don't mix. That the disk is full is no reason to end a connection.
        let _ = (&self.file).write_all(line.as_bytes());
    }
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLogFile").field("path", &self.path).finish_non_exhaustive()
    }
}

//! To whom the files belong that a command makes: root often runs it, and the process that serves is to write them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// Gives a new file to whom the ledger with this path belongs, with the same permissions; where there is none yet, to whom its folder belongs, as far
/// as that is possible: a folder of root's in which others may write is none that root alone uses.
///
/// # Errors
///
/// Where the file would belong to somebody else than the ledger before, which may mean that the process can't write it.
pub fn give(new: &Path, ledger: &Path) -> io::Result<()> {
    let is = fs::metadata(new)?;
    let Ok(before) = fs::metadata(ledger) else {
        let folder = fs::metadata(ledger.parent().unwrap_or(ledger))?;
        let _ = chown(new, Some(folder.uid()), Some(folder.gid()));
        return Ok(());
    };
    if (is.uid(), is.gid()) != (before.uid(), before.gid()) {
        let given = chown(new, Some(before.uid()), Some(before.gid()));
        // who is not root may not give to a group that he is not of; the owner may write all the same
        if is.uid() != before.uid() {
            given.map_err(|error| {
                let (ours, theirs) = (is.uid(), before.uid());
                io::Error::new(error.kind(), format!("it would belong to the user {ours} and not to {theirs}: {error}"))
            })?;
        }
    }
    fs::set_permissions(new, Permissions::from_mode(before.mode() & 0o777))
}

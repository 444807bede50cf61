//! Users with their passwords' hashes: which of them can be taken over, and the file that they stand in.

use super::original::Files;
use super::output::{Findings, Output, Place};

/// What bcrypt costs for a password that an original has in clear: the least that OWASP's Password Storage Cheat Sheet asks for.
const COST: u32 = 10;

/// Whether Evenkeel takes a hash; else why not.
fn refused(hash: &str) -> Option<&'static str> {
    match hash {
        hash if hash.starts_with("$2") || hash.starts_with("$argon2") => None,
        hash if hash.starts_with("$apr1$") || hash.starts_with("$1$") => Some("MD5"),
        hash if hash.starts_with("{SHA}") => Some("SHA-1"),
        hash if hash.starts_with("$5$") || hash.starts_with("$6$") => Some("crypt's SHA-2"),
        hash if hash.starts_with("$y$") || hash.starts_with("$7$") => Some("yescrypt or scrypt"),
        _ => Some("no hash that is known here"),
    }
}

/// The hash of a password that an original has in clear; `None` where bcrypt would not look at all of it (above 72 bytes).
pub fn hashed(password: &str) -> Option<String> {
    bcrypt::non_truncating_hash(password, COST).ok()
}

/// A user that a configuration lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The hash of the password.
    pub hash: String,
    /// Where it stands.
    pub place: Place,
}

impl User {
    /// Whether a line of the file can have the name and the hash.
    fn fits_a_line(&self) -> bool {
        let good = |text: &str| !text.is_empty() && !text.contains(char::is_control) && text.trim() == text;
        good(&self.name) && !self.name.contains(':') && !self.name.starts_with('#') && good(&self.hash)
    }
}

/// Users that a configuration lists. They go to a file that belongs beside the result; its name, or `None` where nobody of them can be taken over.
pub fn written(out: &mut Output, name: &str, users: &[User], (place, what): (&Place, &str)) -> Option<String> {
    let text = text(&mut out.findings, users, what);
    if text.is_empty() {
        let why = "none of its users can be taken over: nobody comes in";
        out.findings.error(place, what, why, TO_DO);
        return None;
    }
    let file = file_name(&mut out.files, name, &text);
    let why = format!("the users stand in the file `{file}`, which belongs beside this one");
    out.findings.note(place, what, why, "");
    Some(file)
}

/// What is to be done where there are no users.
pub const TO_DO: &str = "make a file of users with `htpasswd -cB users NAME`, and put `auth = { basic = { file = \"users\" } }` in the place of `deny`";

/// The lines of a file of users: those that can be taken over. The others are told of.
pub fn text(findings: &mut Findings, users: &[User], what: &str) -> String {
    let mut text = String::new();
    for user in users {
        let name = &user.name;
        let why = if !user.fits_a_line() {
            format!("`{name}` can't stand in a file of users: `{name}` can't come in")
        } else if let Some(kind) = refused(&user.hash) {
            format!("the password of `{name}` is stored as {kind}, which is not taken: `{name}` can't come in")
        } else {
            text.push_str(&format!("{name}:{}\n", user.hash));
            continue;
        };
        findings.warning(
            &user.place,
            what,
            why,
            format!("`htpasswd -nB {name}` asks for the password, and prints the line"),
        );
    }
    text
}

/// Puts a text of users among the files that belong beside the result. Gives back its name, the same for the same users.
pub fn file_name(files: &mut Vec<(String, String)>, name: &str, text: &str) -> String {
    let plain = format!("users-{}", super::output::name(name));
    let mut file = plain.clone();
    let mut number = 2;
    while let Some((_, known)) = files.iter().find(|(known, _)| *known == file) {
        if known == text {
            return file;
        }
        file = format!("{plain}-{number}");
        number += 1;
    }
    files.push((file.clone(), text.to_owned()));
    file
}

/// A file of users that a configuration names; `None` where it has hashes that are not taken.
pub fn in_file(out: &mut Output, file: &str, files: &Files<'_>, place: &Place, what: &str) -> Option<String> {
    let text = match files(file) {
        Ok(files) => files.into_iter().map(|(_, text)| text).next().unwrap_or_default(),
        Err(reason) => {
            let why = format!("`{file}` can't be read ({reason}): whether its hashes are taken is not known");
            out.findings.warning(place, what, why, "bcrypt and argon2 are: `htpasswd -B`");
            return Some(file.to_owned());
        }
    };
    let users = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let bad: Vec<_> =
        users.filter_map(|line| line.split_once(':')).filter_map(|(user, hash)| Some((user, refused(hash)?))).collect();
    if let Some((user, kind)) = bad.first() {
        let why =
            format!("the password of `{user}` in `{file}` is stored as {kind}, which is not taken: nobody comes in");
        out.findings.error(place, what, why, TO_DO);
        return None;
    }
    Some(file.to_owned())
}

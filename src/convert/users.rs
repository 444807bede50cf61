//! Users with their passwords' hashes: which of them can be taken over, and the file that they stand in.

use super::original::Files;
use super::output::{Output, Place};

/// Whether Evenkeel takes a hash; else why not.
fn refused(hash: &str) -> Option<&'static str> {
    match hash {
        hash if hash.starts_with("$2") || hash.starts_with("$argon2") => None,
        hash if hash.starts_with("$apr1$") || hash.starts_with("$1$") => Some("MD5"),
        hash if hash.starts_with("{SHA}") => Some("SHA-1"),
        hash if hash.starts_with("$5$") || hash.starts_with("$6$") => Some("crypt's SHA-2"),
        _ => Some("no hash that is known here"),
    }
}

/// Users that a configuration lists, `user:hash` each. They go to a file that belongs beside the result; its name, or `None` where nobody of
/// them can be taken over.
pub fn written(out: &mut Output, name: &str, users: &[String], place: &Place, what: &str) -> Option<String> {
    let mut good = Vec::new();
    for user in users {
        let Some((name, hash)) = user.split_once(':') else { continue };
        match refused(hash) {
            None => good.push(user.clone()),
            Some(kind) => {
                let why =
                    format!("the password of `{name}` is stored as {kind}, which is not taken: `{name}` can't come in");
                out.findings.warning(place, what, why, "give the user a hash by `htpasswd -nB USER`");
            }
        }
    }
    if good.is_empty() {
        let why = "none of its users can be taken over: nobody comes in";
        out.findings.error(place, what, why, "make hashes by `htpasswd -B`, name the file in `auth = { basic = { file = ... } }`, and take the `deny` away");
        return None;
    }
    let mut text = good.join("\n");
    text.push('\n');
    let file = file_name(out, name, &text);
    let why = format!("the users stand in the file `{file}`, which belongs beside this one");
    out.findings.note(place, what, why, "");
    Some(file)
}

/// A name for the file of users, the same for the same users.
fn file_name(out: &mut Output, name: &str, text: &str) -> String {
    let plain = format!("users-{}", super::output::name(name));
    let mut file = plain.clone();
    let mut number = 2;
    while let Some((_, known)) = out.files.iter().find(|(known, _)| *known == file) {
        if known == text {
            return file;
        }
        file = format!("{plain}-{number}");
        number += 1;
    }
    out.files.push((file.clone(), text.to_owned()));
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
        out.findings.error(place, what, why, "make hashes by `htpasswd -B`, name the file in `auth = { basic = { file = ... } }`, and take the `deny` away");
        return None;
    }
    Some(file.to_owned())
}

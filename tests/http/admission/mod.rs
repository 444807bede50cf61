//! Who may come in: by address, certificate, password and token; and that nobody comes in by a request that is spelled in another way.

mod certificates;
mod consent;
mod issuer;
mod networks;
mod passwords;
mod senders;
mod spellings;
mod tokens;

use data_encoding::BASE64;

/// A line of an htpasswd file for a user whose password is "secret".
fn user(name: &str) -> String {
    format!("{name}:{}\n", bcrypt::hash("secret", 5).unwrap())
}

/// The line of a request that says who asks.
fn authorization(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

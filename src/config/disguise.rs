//! What may be secret in a URL that is shown with a mistake: a user with a password, and a query. Mistakes are printed, logged, and answered to whoever
//! asks for a reload.

/// Words in the names of headers, parameters and variables that carry credentials.
const SECRET_WORDS: [&str; 7] = ["auth", "cookie", "key", "pass", "secret", "session", "token"];

/// Whether something of this name is probably a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The URL with asterisks in place of what may be secret in it.
pub(super) fn url(url: &str) -> String {
    masked(url, true, |_| "***".to_owned())
}

/// The URL with asterisks in place of a user with a password.
pub(super) fn user(url: &str) -> String {
    masked(url, false, |_| "***".to_owned())
}

/// A line of a file, with as many asterisks as there were characters, so that what is meant in it stays where it was. Queries are secret only where
/// they are those of webhooks.
pub(super) fn line(line: &str) -> String {
    let is_end = |c: char| matches!(c, '"' | '\'' | ' ' | '\t');
    let has_webhook = line.contains("webhook");
    let pieces = line.split_inclusive(is_end).map(|piece| {
        let word = piece.trim_end_matches(is_end);
        // what was meant as a URL may have no scheme
        if !has_webhook && !line.contains("store") && !word.contains("://") {
            return piece.to_owned();
        }
        masked(word, has_webhook, |secret| "*".repeat(secret.chars().count())) + &piece[word.len()..]
    });
    pieces.collect()
}

fn masked(url: &str, hides_query: bool, mask: impl Fn(&str) -> String) -> String {
    let user = url.find("://").map_or(0, |at| at + 3);
    // a password that holds a "/" or a "?" makes no URL, and is a password all the same
    let host = url.rfind('@').filter(|at| *at > user).unwrap_or(user);
    let query = url[host..].find('?').filter(|_| hides_query).map_or(url.len(), |at| host + at + 1);
    let hidden = |secret: &str| if secret.is_empty() { String::new() } else { mask(secret) };
    [&url[..user], &hidden(&url[user..host]), &url[host..query], &hidden(&url[query..])].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_and_a_query_are_hidden_in_a_url() {
        for (written, shown) in [
            ("https://me:pw@a.example/hook", "https://***@a.example/hook"),
            ("https://me:p/w?x@a.example/hook?key=1", "https://***@a.example/hook?***"),
            ("me:pw@a.example", "***@a.example"),
            ("https://a.example/hook?key=1", "https://a.example/hook?***"),
            ("https://a.example/hook", "https://a.example/hook"),
            ("", ""),
        ] {
            assert_eq!(super::url(written), shown);
        }
    }

    #[test]
    fn a_line_keeps_its_columns() {
        for (written, shown) in [
            ("webhook = 'https://me:pw@a/ü?kéy' # x", "webhook = 'https://*****@a/ü?***' # x"),
            ("to = \"https://me:pw@a/?q\", 'http://u@b/'", "to = \"https://*****@a/?q\", 'http://*@b/'"),
            ("webhook = 'https://a/?b://c'", "webhook = 'https://a/?*****'"),
            ("webhook = \"me:pw@a/x?key\"", "webhook = \"*****@a/x?***\""),
            ("to = 'a@b?c'", "to = 'a@b?c'"),
        ] {
            assert_eq!(super::line(written), shown);
        }
    }
}

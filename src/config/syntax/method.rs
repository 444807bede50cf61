//! Methods of requests.

use http::Method;

use super::{Problem, Result};

/// The methods that are registered (<https://www.iana.org/assignments/http-methods>), those of RFC 9110 and PATCH first.
const KNOWN: [&str; 42] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    // not registered, and so common that they are no misspelt ones
    "PURGE",
    "BAN",
];

/// How many of them are written in capitals everywhere: in small letters they are a mistake.
const COMMON: usize = 9;

pub(in crate::config) fn method(text: &str) -> Result<Method> {
    let bad = || Problem::new(format!("`{text}` is not a method"), "a method such as \"GET\"");
    let upper = text.trim().to_ascii_uppercase();
    if upper != text && KNOWN[..COMMON].contains(&upper.as_str()) {
        return Err(bad().suggest(Some(upper)).help("methods are case-sensitive"));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| bad())
}

/// A method that is none of the registered ones, and one letter away from one: it may be somebody's own all the same. Conditions of routes have no word for
/// every method.
pub(super) fn doubt(text: &str, is_condition: bool) -> Option<Problem> {
    let upper = text.to_ascii_uppercase();
    if is_condition && matches!(&*upper, "*" | "ANY" | "ALL") {
        let problem = Problem::new(format!("`{text}` is no registered method"), "a method such as \"GET\"");
        return Some(problem.help("leave `methods` out to take every method"));
    }
    if KNOWN.contains(&upper.as_str()) {
        return None;
    }
    let near = KNOWN.iter().find(|known| known.len() > 2 && strsim::osa_distance(&upper, known) == 1)?;
    let problem = Problem::new(format!("`{text}` is no registered method"), "a method such as \"GET\"");
    Some(problem.suggest(Some((*near).to_owned())).help("a method of your own is taken as it is written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_written_in_capitals() {
        assert_eq!(method("PROPFIND").unwrap().as_str(), "PROPFIND");
        assert_eq!(method("get").unwrap_err().suggestion.as_deref(), Some("GET"));
        assert_eq!(method("Post ").unwrap_err().suggestion.as_deref(), Some("POST"));
        for bad in ["", "G E T"] {
            assert!(method(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_route_without_methods_takes_all_of_them() {
        assert!(doubt("*", true).is_some() && doubt("any", true).is_some());
        assert!(doubt("*", false).is_none());
    }

    #[test]
    fn what_is_one_letter_away_from_a_registered_method_is_doubted() {
        let meant = |text: &str| doubt(text, true).and_then(|problem| problem.suggestion);
        for (text, near) in
            [("PSOT", "POST"), ("GTE", "GET"), ("DELET", "DELETE"), ("OPTION", "OPTIONS"), ("psot", "POST")]
        {
            assert_eq!(meant(text).as_deref(), Some(near), "{text}");
        }
        for good in ["GET", "PURGE", "NOTIFY", "SUBSCRIBE", "M-SEARCH", "POLL", "VIEW", "LIST"] {
            assert_eq!(meant(good), None, "{good}");
        }
    }
}

//! Where a store of sessions is: "redis://[USER:PASSWORD@]HOST[:PORT][/DB]", "rediss://..." with TLS, or "unix:///PATH/OF/SOCKET[?db=N]". These are the URLs that
//! redis-cli takes with `-u`, and Redis' clients beside it.

use std::path::PathBuf;

use http::uri::Authority;
use percent_encoding::percent_decode_str;

use super::address::has_good_port;
use super::host::{PORT, is_host};
use super::{Problem, Result, nearest};
use crate::config::disguise;
use crate::config::model::StoreAddress;

const EXPECTED: &str =
    "a URL such as \"redis://10.0.0.5:6379\", \"rediss://redis.example.com\" or \"unix:///run/redis.sock\"";
const SCHEMES: [&str; 3] = ["redis", "rediss", "unix"];
/// The port that Redis has had from its beginning.
const REDIS_PORT: u16 = 6379;

/// A store of sessions, as its URL has it.
#[derive(Debug)]
pub(in crate::config) struct StoreUrl {
    pub address: StoreAddress,
    pub tls: bool,
    pub user: Option<String>,
    pub password: Option<String>,
    pub db: u32,
}

pub(in crate::config) fn session_store(text: &str) -> Result<StoreUrl> {
    let shown = disguise::user(text);
    let problem = |what: &str| Problem::new(format!("`{shown}` {what}"), EXPECTED);
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(problem("has no scheme").suggest(Some(format!("redis://{shown}"))));
    };
    match scheme {
        "unix" => unix(rest).map_err(problem),
        "redis" | "rediss" => tcp(scheme == "rediss", rest, &problem),
        _ => {
            let near = nearest(scheme, SCHEMES).map(|near| shown.replacen(scheme, near, 1));
            Err(problem("is no store that instances can share").suggest(near))
        }
    }
}

/// The error is what is wrong.
fn unix(rest: &str) -> std::result::Result<StoreUrl, &'static str> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let db = match query.strip_prefix("db=") {
        _ if query.is_empty() => 0,
        Some(number) => number.parse().map_err(|_| "has a database that is no number")?,
        None => return Err("has a query that means nothing here but `?db=N`"),
    };
    if !path.starts_with('/') || path.ends_with('/') {
        return Err("does not have the absolute path of a socket");
    }
    Ok(StoreUrl { address: StoreAddress::Unix(PathBuf::from(path)), tls: false, user: None, password: None, db })
}

fn tcp(tls: bool, rest: &str, problem: &dyn Fn(&str) -> Problem) -> Result<StoreUrl> {
    // a password may hold anything, also what ends a host
    let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority: Authority = authority.parse().map_err(|_| problem("has no host"))?;
    if !has_good_port(&authority) {
        return Err(problem("has no port behind its \":\"").help(PORT));
    }
    if !is_host(authority.host().trim_end_matches('.')) {
        return Err(problem("has a host that is neither a name nor an IP address"));
    }
    let db = match path.trim_end_matches('/') {
        "" => 0,
        number => {
            number.parse().map_err(|_| problem("has a database that is no number").help("it is the path: \"/0\""))?
        }
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let part = |text: &str| decoded(text).ok_or_else(|| problem("has a user or a password that is not UTF-8"));
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        None => (None, None),
        Some((user, password)) => (Some(part(user)?), Some(part(password)?)),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
    let address = StoreAddress::Tcp(host, authority.port_u16().unwrap_or(REDIS_PORT));
    let there = |text: &String| !text.is_empty();
    Ok(StoreUrl { address, tls, user: user.filter(there), password: password.filter(there), db })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_redis_cli_reads_them() {
        let read = |text: &str| {
            let url = session_store(text).unwrap_or_else(|problem| panic!("{text}: {}", problem.message));
            (format!("{:?}", url.address), url.tls, url.user, url.password, url.db)
        };
        let tcp = |host: &str, port: u16| format!("Tcp(\"{host}\", {port})");
        assert_eq!(read("redis://10.0.0.5"), (tcp("10.0.0.5", 6379), false, None, None, 0));
        assert_eq!(read("redis://[::1]:7000/3"), (tcp("::1", 7000), false, None, None, 3));
        let (user, password) = (Some("me".to_owned()), Some("p@:/w".to_owned()));
        assert_eq!(
            read("rediss://me:p%40:%2Fw@Redis.example.com./"),
            (tcp("redis.example.com", 6379), true, user, password, 0)
        );
        assert_eq!(read("redis://:pw@h"), (tcp("h", 6379), false, None, Some("pw".to_owned()), 0));
        assert_eq!(read("unix:///run/redis.sock?db=2"), ("Unix(\"/run/redis.sock\")".to_owned(), false, None, None, 2));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let said = |text: &str| {
            let problem = session_store(text).unwrap_err();
            format!("{} {:?}", problem.message, problem.suggestion)
        };
        assert_eq!(said("10.0.0.5:6379"), "`10.0.0.5:6379` has no scheme Some(\"redis://10.0.0.5:6379\")");
        assert_eq!(
            said("redi://me:pw@h"),
            "`redi://***@h` is no store that instances can share Some(\"redis://***@h\")"
        );
        for (url, what) in [
            ("redis://me:pw@", "has no host"),
            ("redis://h:/", "has no port behind"),
            ("redis://h:99999", "has no port behind"),
            ("redis://h/x", "database that is no number"),
            ("unix://run/x", "absolute path"),
            ("unix:///run/x?y=1", "`?db=N`"),
        ] {
            assert!(said(url).contains(what), "{}", said(url));
        }
    }
}

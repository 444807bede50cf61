//! Compression of answers, and pages for errors.

use super::location::{self, Kind};
use super::parse::Directive;
use super::site::Site;
use super::variables;
use super::world::{Scope, World};
use crate::convert::output::{Table, Value};
use crate::convert::units;

/// `gzip` of the blocks around, for a listener or a route.
pub fn compress(scope: &Scope<'_>, table: &mut Table) {
    let (gzip, brotli) = (scope.is_on("gzip"), scope.is_on("brotli"));
    let Some(directive) = scope.one("gzip").or_else(|| scope.one("brotli")) else { return };
    if !gzip && !brotli {
        table.put(&["compress"], false, &directive.place);
        return;
    }
    let prefix = if gzip { "gzip" } else { "brotli" };
    let algorithms: Vec<&str> =
        [("br", brotli), ("gzip", gzip)].into_iter().filter(|one| one.1).map(|one| one.0).collect();
    table.put(&["compress", "algorithms"], algorithms, &directive.place);
    let said = scope.one(&format!("{prefix}_types"));
    let mut types = vec!["text/html"];
    types
        .extend(said.iter().flat_map(|said| said.args.iter().map(|one| if one == "*" { "*/*" } else { one.as_str() })));
    types.dedup();
    table.put(&["compress", "types"], types, said.map_or(&directive.place, |said| &said.place));
    if let Some(said) = scope.one(&format!("{prefix}_min_length"))
        && let Some(bytes) = units::bytes(said.arg(0))
    {
        table.put(&["compress", "min_size"], units::size(bytes), &said.place);
    }
    if let Some(said) = scope.one("gzip_comp_level").filter(|_| gzip)
        && let Ok(level) = said.arg(0).parse::<i64>()
    {
        table.put(&["compress", "level", "gzip"], level.clamp(1, 9), &said.place);
    }
}

/// Whether all blocks say the same of it.
pub fn compress_alike(scopes: &[Scope<'_>]) -> bool {
    let of = |scope: &Scope<'_>| {
        let mut table = Table::default();
        compress(scope, &mut table);
        table
    };
    scopes.iter().all(|scope| of(scope).same(&of(&scopes[0])))
}

/// `error_page`, where its page is a file.
pub fn errors(world: &mut World<'_>, site: &Site<'_>, scope: &Scope<'_>, route: &mut Table) {
    let mut statuses = Vec::new();
    for directive in scope.all("error_page") {
        let Some((uri, codes)) = directive.args.split_last() else { continue };
        if codes.iter().any(|code| code.starts_with('=')) {
            world.findings().warning(
                &directive.place,
                directive.text(),
                "errors keep their status",
                "`error_pages`: docs/error-pages.md",
            );
            continue;
        }
        let Some(file) = file(site, uri).filter(|file| (world.original.files)(file).is_ok()) else {
            let why = format!("`{uri}` is no file that can be read: errors are told as they are without");
            world.findings().warning(&directive.place, directive.text(), why, "`error_pages`: docs/error-pages.md");
            continue;
        };
        for code in codes {
            route.put(&["error_pages", code], file.as_str(), &directive.place);
            statuses.push(code.clone());
        }
    }
    under_our_statuses(scope, route);
    if let Some(directive) =
        scope.one("proxy_intercept_errors").filter(|one| one.arg(0) == "on" && !statuses.is_empty())
    {
        route.put(&["error_pages", "backends"], statuses.join(","), &directive.place);
    }
}

/// Pages for what is answered with another status here: 502 where no backend can be reached is 503, and 503 of a limit is 429.
fn under_our_statuses(scope: &Scope<'_>, route: &mut Table) {
    let limit = |limit: &str| {
        scope.one(limit).map(|_| scope.value(&format!("{limit}_status"), "503").to_owned()).filter(|said| said != "429")
    };
    let limits = ["limit_req", "limit_conn"].into_iter().filter_map(limit).map(|said| (said, "429"));
    for (theirs, ours) in limits.chain([("502".to_owned(), "503")]).collect::<Vec<_>>() {
        let Some(Value::Table(pages)) = route.get(&["error_pages"]) else { return };
        let of = |status: &str| pages.entries.iter().find(|entry| entry.key == status);
        let Some(page) = of(&theirs).cloned().filter(|_| of(ours).is_none()) else { continue };
        if let Some(place) = page.from.first() {
            route.put(&["error_pages", ours], page.value, place);
        }
    }
}

/// The file that a URI of this server is, by `root` and `alias`.
fn file(site: &Site<'_>, uri: &str) -> Option<String> {
    if !uri.starts_with('/') || variables::has_any(uri) {
        return None;
    }
    let exact = |location: &location::Location<'_>| match &location.kind {
        Kind::Exact(path) => path == uri,
        Kind::Prefix(path) | Kind::First(path) => path != "/" && uri.starts_with(path.as_str()),
        _ => false,
    };
    let found = location::all(&site.scope, site.server).into_iter().find(exact);
    let scope = found.as_ref().map_or(&site.scope, |location| &location.scope);
    let root: &Directive = scope.one("root")?;
    (!variables::has_any(root.arg(0))).then(|| format!("{}{uri}", root.arg(0).trim_end_matches('/')))
}

//! Directives that decide where a request goes: blocks, redirects, answers, changes of the path.

use std::rc::Rc;

use super::placeholder::{plain, template};
use super::scope::{At, Made, Need, Scope};
use super::{Conversion, left_out};
use crate::convert::decision::conditions::{Conditions, Path};
use crate::convert::decision::{Clause, Does, PathChange, Step, Treatment};
use crate::convert::output::{Place, literal};
use crate::convert::text;
use crate::convert::units;

/// An end: what is put into the treatment.
fn end(at: &At<'_>, change: impl Fn(&mut Treatment) + 'static) -> Vec<Rc<Step>> {
    vec![at.step(Does::End(Rc::new(change)))]
}

/// `redir [MATCHER] TO [CODE]`
pub fn redir(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let to = at.args.first().copied().unwrap_or_default();
    let status = match at.args.get(1).copied() {
        None | Some("temporary") => 302,
        Some("permanent") => 301,
        Some("html") => {
            left_out(
                &mut conversion.out,
                at.place(),
                "redir",
                "a page that leads on is not made: it is a redirect with 302",
                "",
            );
            302
        }
        Some(code) => match code.parse::<i64>() {
            Ok(code @ (301 | 302 | 303 | 307 | 308)) => code,
            _ => {
                let why = format!("the status {code} is none that redirects have here: it is 302");
                left_out(&mut conversion.out, at.place(), "redir", &why, "");
                302
            }
        },
    };
    match template(to) {
        Ok(to) if !to.is_empty() => {
            let place = at.place().clone();
            end(at, move |treatment| {
                treatment.table.put(&["redirect", "to"], to.clone(), &place);
                treatment.table.put(&["redirect", "status"], status, &place);
            })
        }
        unknown => {
            let name = unknown.err().unwrap_or_default();
            let why =
                format!("`{name}` is not known in a redirect: it is answered with 501 until somebody has written it");
            left_out(
                &mut conversion.out,
                at.place(),
                "redir",
                &why,
                "`redirect = { to = ... }` knows ${host}, ${path}, ${query} and the variables in docs/headers.md",
            );
            not_converted(at)
        }
    }
}

/// Answers with 501 what could not be carried over, so that it is not served by something else.
fn not_converted(at: &At<'_>) -> Vec<Rc<Step>> {
    let place = at.place().clone();
    let body = format!("{} is not converted ({place})\n", at.word());
    end(at, move |treatment| {
        treatment.table.put(&["respond", "status"], 501, &place);
        treatment.table.put(&["respond", "body"], literal(&body), &place);
        treatment.denies = true;
    })
}

/// `respond`, `error`, `abort`
pub fn answer(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let out = &mut conversion.out;
    let code = |text: &str| text.parse::<i64>().ok().filter(|code| (100..=999).contains(code) && text.len() == 3);
    let inner = |name: &str| {
        at.directive.inner().iter().find(|directive| directive.word() == name).and_then(|directive| directive.arg(0))
    };
    let (mut status, mut body) = match (at.word(), &at.args[..]) {
        ("abort", _) => {
            let why = "the client gets 403, and its connection is not cut off";
            out.findings.note(at.place(), "abort", why, "`deny` of a listener cuts off before anything is read");
            (403, "")
        }
        ("error", [message, status, ..]) => (code(status).unwrap_or(500), *message),
        ("error", [one]) => code(one).map_or((500, *one), |code| (code, "")),
        ("error", []) => (500, ""),
        (_, [body, status, ..]) => (code(status).unwrap_or(200), *body),
        (_, [one]) => code(one).map_or((200, *one), |code| (code, "")),
        (_, []) => (200, ""),
    };
    // the message of an error is for the log and handle_errors
    body = if at.word() == "error" { "" } else { inner("body").unwrap_or(body) };
    if !(200..=599).contains(&status) {
        left_out(out, at.place(), at.word(), &format!("the status {status} can't be answered with: it is 503"), "");
        status = 503;
    }
    if matches!(status, 204 | 205 | 304) {
        body = "";
    }
    let text = template(body).unwrap_or_else(|name| {
        let why = format!("`{name}` is not known, and stands in the body as it is");
        left_out(out, at.place(), at.word(), &why, "docs/headers.md has the variables");
        plain(body)
    });
    let (place, denies) = (at.place().clone(), status >= 400);
    let kind = if body.trim_start().starts_with(['{', '[']) && body.trim_end().ends_with(['}', ']']) {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    end(at, move |treatment| {
        treatment.table.put(&["respond", "status"], status, &place);
        if !text.is_empty() {
            treatment.table.put(&["respond", "body"], text.clone(), &place);
            // a field that a `header` directive has set holds
            treatment.table.put(&["respond", "content_type"], kind, &place);
        }
        treatment.denies = denies;
    })
}

/// `rewrite [MATCHER] TO`
pub fn rewrite(conversion: &mut Conversion, at: &At<'_>) -> Option<Made> {
    let to = at.args.first().copied().unwrap_or_default();
    let all = vec![Clause::default()];
    let change = |change| vec![at.step_for(all.clone(), Does::Path(change))];
    if let Some(prefix) =
        to.strip_suffix("{uri}").or_else(|| to.strip_suffix("{path}")).or_else(|| to.strip_suffix("{path}?{query}"))
        && prefix.starts_with('/')
        && !prefix.contains('{')
    {
        return Some(Made::Branch(at.when.clone(), change(PathChange::Add(prefix.to_owned()))));
    }
    if to.starts_with('/') && !to.contains(['{', '?']) {
        return Some(Made::Branch(at.when.clone(), change(PathChange::Replace(to.to_owned()))));
    }
    let why = "a path can be given another beginning, or be replaced where a route takes one path, and no more: it goes to the backend as it is";
    left_out(&mut conversion.out, at.place(), "rewrite", why, "`rewrite = { prefix = \"/new/\" }` of a route");
    None
}

/// `uri [MATCHER] strip_prefix X`
pub fn uri(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    match at.args[..] {
        ["strip_prefix", prefix] if !prefix.contains('{') => {
            let prefix = format!("/{}", prefix.trim_matches('/'));
            vec![at.step(Does::Path(PathChange::Strip(prefix)))]
        }
        // a replacement of the beginning that the matcher asks for anyway
        ["replace", old, new]
            if old.starts_with('/') && new.starts_with('/') && begins_with(at, old) && !new.contains('{') =>
        {
            let inner = vec![
                at.step_for(
                    vec![Clause::default()],
                    Does::Path(PathChange::Strip(old.trim_end_matches('/').to_owned())),
                ),
                at.step_for(vec![Clause::default()], Does::Path(PathChange::Add(new.trim_end_matches('/').to_owned()))),
            ];
            left_out(
                &mut conversion.out,
                at.place(),
                "uri replace",
                "the beginning of the path is replaced, and not every place at which it stands",
                "",
            );
            vec![at.step_for(vec![Clause::default()], Does::Choice(vec![(at.when.clone(), inner)]))]
        }
        _ => {
            let why = "of a path only the beginning can be changed: it goes to the backend as it is";
            left_out(&mut conversion.out, at.place(), "uri", why, "`rewrite = { prefix = \"/new/\" }` of a route");
            Vec::new()
        }
    }
}

fn begins_with(at: &At<'_>, text: &str) -> bool {
    let whole = Conditions::path(Path::Prefix(text.to_owned()));
    !at.when.is_empty() && at.when.iter().all(|clause| whole.cover(&clause.is))
}

/// `request_body { max_size }`
pub fn request_body(conversion: &mut Conversion, at: &At<'_>, scope: &mut Scope) {
    for directive in at.directive.inner() {
        let place = directive.place().clone();
        match (directive.word(), directive.arg(0).and_then(text::size)) {
            ("max_size", Some(bytes)) => {
                let all = !scope.nested && at.when.iter().any(|clause| *clause == Clause::default());
                if !all {
                    let why = "the size of a body is limited for a listener as a whole: it holds for all requests";
                    left_out(&mut conversion.out, &place, "request_body", why, "`limits.max_body` of the listener");
                }
                scope.needs.push(Need {
                    key: &["limits", "max_body"],
                    value: units::size(bytes).into(),
                    size: bytes,
                    what: "request_body".into(),
                    place,
                });
            }
            ("max_size", None) => {
                conversion.out.findings.error(
                    &place,
                    "request_body",
                    "its size can't be read",
                    "`limits.max_body` of the listener",
                );
            }
            (name, _) => left_out(&mut conversion.out, &place, &format!("request_body {name}"), "it is left out", ""),
        }
    }
}

/// What Caddy makes itself: files, PHP, templates.
pub fn content(conversion: &mut Conversion, at: &At<'_>) -> Vec<Rc<Step>> {
    let out = &mut conversion.out;
    let backend = "have a server for it as a backend: Caddy itself at a port of 127.0.0.1 will do";
    match at.word() {
        "root" => return Vec::new(),
        "templates" | "try_files" => {
            left_out(
                out,
                at.place(),
                at.word(),
                "it is about files, which are not served here: it is left out",
                backend,
            );
            return Vec::new();
        }
        "metrics" => left_out(
            out,
            at.place(),
            "metrics",
            "metrics are at the admin address: requests here are answered with 501",
            "scrape `/metrics` of 127.0.0.1:9900",
        ),
        "php_fastcgi" => {
            left_out(out, at.place(), "php_fastcgi", "FastCGI is not spoken: requests are answered with 501", backend)
        }
        name => {
            let why = "files are not served here: requests are answered with 501";
            left_out(out, at.place(), name, why, backend);
        }
    }
    not_converted(at)
}

/// What happens to requests of a site that nothing takes: Caddy answers with 200 and nothing.
pub fn nothing(place: &Place) -> Rc<Step> {
    let at = place.clone();
    let change = move |treatment: &mut Treatment| treatment.table.put(&["respond", "status"], 200, &at);
    Rc::new(Step {
        when: vec![Clause::default()],
        does: Does::End(Rc::new(change)),
        place: place.clone(),
        what: String::new(),
    })
}

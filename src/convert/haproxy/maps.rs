//! Backends whose names are looked up when a request comes: `use_backend %[req.hdr(host),lower,map(hosts.map,app)]`.

use super::act::{Act, Rule};
use super::condition::{Around, Ask, Term, of_line};
use super::matching::{Conditions, Path};
use super::parse::Line;
use crate::convert::output::{Findings, Place};

/// So many lines of a map become routes.
const MOST: usize = 1_000;

/// A rule for each line of the map.
pub fn rules(around: &Around<'_>, line: &Line, findings: &mut Findings) -> Vec<Rule> {
    match looked_up(around, line.word(1)) {
        Ok((found, default)) => {
            let rule = |conditions: Option<Conditions>, name: String, place: Option<Place>| {
                let line = place.map_or_else(|| line.clone(), |place| Line { words: line.words.clone(), place });
                let term = conditions.map(|one| Term { ask: Ask::Routes(vec![one]), holds: true });
                of_line(around, &line).into_iter().map(move |terms| Rule {
                    terms: terms.into_iter().chain(term.clone()).collect(),
                    act: Act::Backend(name.clone()),
                    line: line.clone(),
                })
            };
            let mut rules: Vec<Rule> = Vec::new();
            for (conditions, name, place) in found {
                rules.extend(rule(Some(conditions), name, Some(place)));
            }
            if let Some(default) = default {
                rules.extend(rule(None, default, None));
            }
            rules
        }
        Err(why) => {
            let advice = "make a route for each value that the name can have";
            findings.warning(&line.place, line.text(), format!("{why}: the line is left out"), advice);
            Vec::new()
        }
    }
}

type Found = (Vec<(Conditions, String, Place)>, Option<String>);

/// The lines of a map of hosts or of paths, and what is for all others.
fn looked_up(around: &Around<'_>, text: &str) -> Result<Found, String> {
    let unknown = || "which backend it is is known only when a request comes".to_owned();
    let inner = text.strip_prefix("%[").and_then(|text| text.strip_suffix(']')).ok_or_else(unknown)?;
    let at = inner.find(",map").ok_or_else(unknown)?;
    let (key, call) = (inner[..at].trim_end_matches(",lower"), &inner[at + 1..]);
    let (kind, arguments) = call.strip_suffix(')').and_then(|call| call.split_once('(')).ok_or_else(unknown)?;
    let (file, default) =
        arguments.split_once(',').map_or((arguments, None), |(file, default)| (file, Some(default.trim().to_owned())));
    let is_host = [
        "req.hdr(host)",
        "hdr(host)",
        "req.hdr(Host)",
        "hdr(Host)",
        "req.hdr(host),field(1,:)",
        "hdr(host),field(1,:)",
    ]
    .contains(&key);
    let (file, text) = around.original.read(file).map_err(|why| format!("the map can't be read ({why})"))?;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let (Some(value), Some(name)) = (words.next().filter(|value| !value.starts_with('#')), words.next()) else {
            continue;
        };
        let place = Place::new(&file, number + 1);
        let mut conditions = Conditions { places: vec![place.clone()], ..Conditions::default() };
        match (kind, is_host, key) {
            ("map" | "map_str", true, _) => conditions.host = Some(value.to_ascii_lowercase()),
            ("map_end", true, _) if value.starts_with('.') => {
                conditions.host = Some(format!("*{}", value.to_ascii_lowercase()))
            }
            ("map" | "map_str", false, "path") => conditions.path = Some(Path::Exact(value.to_owned())),
            ("map_beg", false, "path") => conditions.path = Some(Path::Prefix(value.to_owned())),
            _ => return Err(format!("a map by `{key}` with `{kind}` can't be made of routes")),
        }
        found.push((conditions, name.to_owned(), place));
        if found.len() > MOST {
            return Err(format!("the map has more than {MOST} lines"));
        }
    }
    // of prefixes the first line that fits decides, and of routes the longest one: they agree where the longer ones stand first
    Ok((found, default))
}

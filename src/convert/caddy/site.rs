//! Sites as listeners: those at one port are of one listener, and the host tells them apart.

use std::rc::Rc;

use super::matcher::{Matchers, of_host};
use super::scope::{Need, Scope};
use super::steps;
use super::tree::Site;
use super::{Conversion, flow, options, tls};
use crate::convert::decision::conditions::{Conditions, Host, Path};
use crate::convert::decision::{self, Clause, Does, Step, Treatment};
use crate::convert::output::{Place, Table};
use crate::convert::plain::{put_route, refuse_ambiguous};
use crate::convert::text::{self, Url};

/// Where a site is.
#[derive(Debug, Clone)]
struct Address {
    host: Host,
    port: String,
    tls: bool,
    /// Whether TLS is there by itself, and plain HTTP leads to it.
    automatic: bool,
    path: Path,
    place: Place,
}

/// A branch of a listener.
struct Branch {
    clauses: Vec<Clause>,
    steps: Vec<Rc<Step>>,
    /// More special hosts come first, and redirects to HTTPS last.
    rank: (u8, u8, usize),
}

/// What becomes a listener.
struct Draft {
    bind: Vec<String>,
    port: String,
    tls: bool,
    place: Place,
    branches: Vec<Branch>,
    certificates: tls::Tls,
    needs: Vec<(Place, Vec<Need>)>,
    sites: usize,
    closed: Option<Place>,
}

/// Makes listeners of all sites.
pub fn convert(sites: &[Site], conversion: &mut Conversion) {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut redirects: Vec<(Vec<String>, Address)> = Vec::new();
    for site in sites {
        let addresses = addresses(site, conversion);
        for directive in site.body.iter().filter(|directive| directive.word() == "log") {
            options::access_log(directive, conversion);
        }
        let bind = site.body.iter().find(|directive| directive.word() == "bind");
        let bind: Vec<String> = bind.map_or_else(
            || conversion.options.bind.clone(),
            |bind| bind.texts().into_iter().map(str::to_owned).collect(),
        );
        let mut ports: Vec<(String, bool)> = Vec::new();
        for address in &addresses {
            if !ports.contains(&(address.port.clone(), address.tls)) {
                ports.push((address.port.clone(), address.tls));
            }
            if address.tls && address.automatic && conversion.options.redirects {
                redirects.push((bind.clone(), address.clone()));
            }
        }
        for (port, secure) in ports {
            let here: Vec<&Address> =
                addresses.iter().filter(|address| address.port == port && address.tls == secure).collect();
            add(conversion, &mut drafts, site, &here, &bind);
        }
    }
    redirect(conversion, &mut drafts, redirects);
    for draft in drafts {
        listener(conversion, draft);
    }
}

/// The addresses of a site.
fn addresses(site: &Site, conversion: &mut Conversion) -> Vec<Address> {
    let mut all = Vec::new();
    let has_tls = site.body.iter().any(|directive| directive.word() == "tls");
    for key in &site.keys {
        let place = &key.place;
        let Some(url) = Url::parse(&key.text) else {
            conversion.out.findings.error(place, &key.text, "this address can't be read, and its site is left out", "");
            continue;
        };
        let options = &conversion.options;
        let secure = match url.scheme.as_str() {
            "http" => false,
            "https" => true,
            _ if url.port == options.http_port => false,
            _ if url.port == options.https_port => true,
            // a name has TLS by itself, and a port alone has not
            _ => has_tls || !url.host.is_empty() && options.auto_https,
        };
        let port =
            if url.port.is_empty() { if secure { &options.https_port } else { &options.http_port } } else { &url.port };
        let path = match url.path.as_str() {
            "" | "/" => Path::Any,
            path => super::matcher::of_path(path),
        };
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        let host = if matches!(url.host.as_str(), "0.0.0.0" | "[::]") {
            Host::Any
        } else {
            of_host(if url.host.starts_with('[') { &url.host } else { host })
        };
        let host = match host {
            Host::Below(name) => {
                let why = format!("`*.{name}` takes names with several labels before it, too");
                conversion.out.findings.note(place, &key.text, why, "");
                Host::Below(name)
            }
            other => other,
        };
        let automatic = options.auto_https && url.scheme != "http" && host != Host::Any;
        all.push(Address { host, port: port.clone(), tls: secure, automatic, path, place: place.clone() });
    }
    all
}

fn draft<'a>(drafts: &'a mut Vec<Draft>, bind: &[String], port: &str, tls: bool, place: &Place) -> &'a mut Draft {
    let at = drafts.iter().position(|draft| draft.port == port && draft.tls == tls && draft.bind == bind);
    let at = at.unwrap_or_else(|| {
        drafts.push(Draft {
            bind: bind.to_vec(),
            port: port.to_owned(),
            tls,
            place: place.clone(),
            branches: Vec::new(),
            certificates: tls::Tls::default(),
            needs: Vec::new(),
            sites: 0,
            closed: None,
        });
        drafts.len() - 1
    });
    &mut drafts[at]
}

fn host_rank(host: &Host) -> (u8, usize) {
    match host {
        Host::Exact(_) => (0, 0),
        Host::Below(name) => (1, usize::MAX - name.len()),
        Host::Any => (2, 0),
    }
}

/// Adds a site to the listener of its port.
fn add(conversion: &mut Conversion, drafts: &mut Vec<Draft>, site: &Site, here: &[&Address], bind: &[String]) {
    let Some(first) = here.first() else { return };
    let (peers, clients) = conversion.options.lists(&first.port);
    let matchers = Matchers { tls: first.tls, peers, clients, ..Matchers::default() };
    let mut scope = Scope { matchers, ..Scope::default() };
    let mut steps = steps::of(conversion, &site.body, &mut scope, true);
    steps.push(flow::nothing(&first.place));
    let place = first.place.clone();
    let mut certificates = tls::Tls::default();
    let mut closed = None;
    if first.tls && tls::of_site(conversion, &site.body, &place, &mut certificates).is_none() {
        closed = Some(place.clone());
    }
    let draft = draft(drafts, bind, &first.port, first.tls, &place);
    for certificate in certificates.certificates {
        if !draft.certificates.certificates.contains(&certificate) {
            draft.certificates.certificates.push(certificate);
        }
    }
    draft.certificates.fetched.extend(certificates.fetched);
    draft.certificates.keys.extend(certificates.keys);
    draft.needs.push((place, scope.needs));
    draft.sites += 1;
    draft.closed = draft.closed.take().or(closed);
    for address in here {
        let (kind, length) = host_rank(&address.host);
        let conditions = Conditions { host: address.host.clone(), path: address.path.clone(), ..Conditions::default() };
        draft.branches.push(Branch { clauses: vec![conditions.into()], steps: steps.clone(), rank: (0, kind, length) });
    }
}

/// Plain HTTP leads to HTTPS for sites that have TLS by themselves, unless a site of its own is there for it.
fn redirect(conversion: &mut Conversion, drafts: &mut Vec<Draft>, redirects: Vec<(Vec<String>, Address)>) {
    let (http, https) = (conversion.options.http_port.clone(), conversion.options.https_port.clone());
    for (bind, address) in redirects {
        let draft = draft(drafts, &bind, &http, false, &address.place);
        let port = if address.port == "443" || address.port == https && https == "443" {
            String::new()
        } else {
            format!(":{}", address.port)
        };
        let to = format!("https://${{host}}{port}${{path}}${{query}}");
        let place = address.place.clone();
        let at = place.clone();
        let change = move |treatment: &mut Treatment| {
            treatment.table.put(&["redirect", "to"], to.clone(), &at);
            treatment.table.put(&["redirect", "status"], 308, &at);
        };
        let what = "automatic HTTPS".to_owned();
        let step = Step { when: vec![Clause::default()], does: Does::End(Rc::new(change)), place, what };
        let (kind, length) = host_rank(&address.host);
        draft.branches.push(Branch {
            clauses: vec![Conditions::host(address.host).into()],
            steps: vec![Rc::new(step)],
            rank: (1, kind, length),
        });
    }
}

fn listener(conversion: &mut Conversion, mut draft: Draft) {
    // exact hosts before wildcards, both before those without; redirects after sites of the same rank
    draft.branches.sort_by_key(|branch| (branch.rank.1, branch.rank.2, branch.rank.0));
    let place = draft.place.clone();
    let branches = draft.branches.drain(..).map(|branch| (branch.clauses, branch.steps)).collect();
    let step =
        Step { when: vec![Clause::default()], does: Does::Choice(branches), place: place.clone(), what: "site".into() };
    let none = Step { when: Vec::new(), does: Does::Choice(Vec::new()), place: place.clone(), what: "site".into() };
    let findings = &mut conversion.out.findings;
    let entries = decision::unfold(&[Rc::new(step)], Conditions::default(), Treatment::default(), &none, findings);
    let routes = decision::routes(&entries, decision::Letters::AnyCase, findings);
    let binds = if draft.bind.is_empty() { vec![String::new()] } else { draft.bind.clone() };
    for bind in binds {
        let mut table = Table::at(&place);
        let name = conversion.out.names.unique(if draft.tls { "https" } else { "http" });
        table.put(&["name"], name, &place);
        let address = match bind.strip_prefix("unix/") {
            Some(path) => format!("unix:/{}", path.trim_start_matches('/')),
            None => text::bind(&bind, &draft.port),
        };
        table.put(&["bind"], address, &place);
        let keys: Vec<_> = conversion
            .options
            .servers
            .iter()
            .filter(|(at, _)| at.is_empty() || text::split_port(at).1 == draft.port)
            .flat_map(|(_, keys)| keys.clone())
            .collect();
        for (key, value, from) in keys {
            table.put(&key, value, &from);
        }
        if draft.tls {
            add_tls(conversion, &draft, &mut table);
        }
        apply_needs(conversion, &draft, &mut table);
        for route in &routes {
            put_route(&mut table, route.clone());
        }
        refuse_ambiguous(&mut table, &mut conversion.out.findings);
        if let Some(closed) = &draft.closed {
            table.close(closed);
        }
        conversion.out.listeners.push(table);
    }
}

fn add_tls(conversion: &mut Conversion, draft: &Draft, table: &mut Table) {
    for certificate in &draft.certificates.certificates {
        table.push(&["tls", "certificates"], certificate.clone());
    }
    if !draft.certificates.fetched.is_empty() {
        let mut folder = Table::default();
        folder.put(&["folder"], "/etc/letsencrypt/live", &draft.certificates.fetched[0]);
        table.push(&["tls", "certificates"], folder);
        for place in &draft.certificates.fetched {
            let why = "its certificate came by itself (automatic HTTPS), and Evenkeel fetches none: those of certbot in /etc/letsencrypt/live are served";
            let advice = "get it with certbot (watched: a renewal needs no reload), or name another folder or file in `certificates`: docs/tls.md";
            conversion.out.findings.warning(place, "automatic HTTPS", why, advice);
        }
    }
    let plain = |table: &Table| {
        table.entries.iter().map(|entry| (entry.key.clone(), format!("{:?}", entry.value))).collect::<Vec<_>>()
    };
    let Some((_, first)) = draft.certificates.keys.first() else { return };
    for (place, keys) in &draft.certificates.keys {
        if plain(keys) == plain(first) {
            continue;
        }
        let why =
            "sites at one port have different settings of TLS: a listener has one set, and that of the first holds";
        let asks = |table: &Table| table.get(&["client_auth"]).is_some();
        if asks(keys) || asks(first) {
            conversion.out.findings.error(
                place,
                "tls",
                format!("{why}; one of them asks for certificates, so nobody comes in"),
                "give the sites listeners of their own",
            );
            table.close(place);
        } else {
            conversion.out.findings.error(place, "tls", why, "give the sites listeners of their own");
        }
    }
    for entry in &first.entries {
        let place = entry.from.first().unwrap_or(&draft.place);
        table.put(&["tls", &entry.key], entry.value.clone(), place);
    }
}

fn apply_needs(conversion: &mut Conversion, draft: &Draft, table: &mut Table) {
    for (_, needs) in &draft.needs {
        for need in needs {
            let others = draft.needs.iter().flat_map(|(_, needs)| needs).filter(|other| other.key == need.key);
            let differ = others.clone().any(|other| other.value != need.value);
            let sites = draft.needs.iter().filter(|(_, needs)| needs.iter().any(|other| other.key == need.key)).count();
            let key = need.key.join(".");
            if differ || sites < draft.sites {
                // the smallest holds, so that nothing is let in that was not
                let least = others.min_by_key(|other| other.size).unwrap_or(need);
                table.put(need.key, least.value.clone(), &least.place);
                let why = format!(
                    "it is for some requests only, or differs, and `{key}` is for a listener as a whole: the smallest holds for all"
                );
                let advice = format!(
                    "see that `{key}` of the listener is right for all, or give the site a listener of its own"
                );
                conversion.out.findings.warning(&need.place, &need.what, why, advice);
            } else {
                table.put(need.key, need.value.clone(), &need.place);
            }
        }
    }
}

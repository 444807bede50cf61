//! Which servers share an address, and which of them has the hosts that no other one has.

use super::parse::Directive;

/// An address that a server listens at.
#[derive(Debug, Clone)]
pub struct Listen<'a> {
    /// The address as ours writes it.
    pub bind: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
    /// The directive that says so; the server itself where none does.
    pub directive: &'a Directive,
}

impl Listen<'_> {
    /// Whether the directive has this word.
    pub fn has(&self, word: &str) -> bool {
        self.directive.name == "listen" && self.directive.args.iter().skip(1).any(|arg| arg == word)
    }
}

/// An address with all servers that listen at it.
#[derive(Debug)]
pub struct Group<'a> {
    /// The address as ours writes it.
    pub bind: String,
    /// The port.
    pub port: u16,
    /// The number of each server, in the order of the file, with its directive.
    pub members: Vec<(usize, Listen<'a>)>,
    /// The other address, where one of ours takes both.
    pub twin: Option<String>,
}

impl<'a> Group<'a> {
    /// Whether any server says this word for the address.
    pub fn has(&self, word: &str) -> bool {
        self.members.iter().any(|(_, listen)| listen.has(word))
    }

    /// The number of the server that has the hosts that no other one has.
    pub fn default_server(&self) -> usize {
        let marked = self.members.iter().find(|(_, listen)| listen.has("default_server") || listen.has("default"));
        marked.or(self.members.first()).map_or(0, |(number, _)| *number)
    }

    /// The first directive.
    pub fn directive(&self) -> Option<&'a Directive> {
        self.members.first().map(|(_, listen)| listen.directive)
    }

    fn servers(&self) -> Vec<usize> {
        self.members.iter().map(|(number, _)| *number).collect()
    }
}

/// The addresses of a server; without `listen`, all of IPv4 at port 80.
pub fn listens(server: &Directive) -> Vec<Listen<'_>> {
    let said: Vec<_> = server.inner().iter().filter(|directive| directive.name == "listen").collect();
    if said.is_empty() {
        return vec![Listen { bind: "0.0.0.0:80".to_owned(), port: 80, directive: server }];
    }
    said.into_iter().map(|directive| listen(directive)).collect()
}

fn listen(directive: &Directive) -> Listen<'_> {
    let text = directive.arg(0);
    if text.starts_with("unix:") {
        return Listen { bind: text.to_owned(), port: 0, directive };
    }
    let (host, port) = match text.rsplit_once(':') {
        _ if text.bytes().all(|b| b.is_ascii_digit()) => ("*", text),
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "80"),
    };
    let host = match host {
        "*" | "" => "0.0.0.0",
        "localhost" => "127.0.0.1",
        other => other,
    };
    Listen { bind: format!("{host}:{port}"), port: port.parse().unwrap_or(0), directive }
}

/// The addresses of all servers. Where the same servers listen at all addresses of IPv4 and of IPv6, one listener takes both.
pub fn groups<'a>(servers: &[&'a Directive]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        for listen in listens(server) {
            if listen.has("udp") || listen.has("quic") || listen.has("http3") {
                continue;
            }
            match groups.iter_mut().find(|group| group.bind == listen.bind) {
                Some(group) => group.members.push((number, listen)),
                None => {
                    let (bind, port) = (listen.bind.clone(), listen.port);
                    groups.push(Group { bind, port, members: vec![(number, listen)], twin: None });
                }
            }
        }
    }
    let mut merged: Vec<Group<'a>> = Vec::new();
    for group in groups {
        let other = match group.bind.strip_prefix("[::]:") {
            Some(port) => format!("0.0.0.0:{port}"),
            None => group.bind.replacen("0.0.0.0:", "[::]:", 1),
        };
        let twin = merged.iter_mut().find(|known| {
            known.bind == other
                && known.servers() == group.servers()
                && known.default_server() == group.default_server()
        });
        match twin {
            Some(twin) if twin.has("ssl") == group.has("ssl") && other != group.bind => {
                twin.twin = Some(format!("0.0.0.0:{}", group.port));
                twin.bind = format!("[::]:{}", group.port);
            }
            _ => merged.push(group),
        }
    }
    merged
}
